/** Field schemas that the custom resources share. Patterns are of the kind that Go and JavaScript read alike. */
import { z } from 'zod';
import { parseDurationMs } from '../duration.ts';

export const apiGroup = 'storage.billyronks.io';
export const apiVersion = `${apiGroup}/v1`;

/** Sizes stay exact as a number in every language: 4 PiB. */
const sizeBytesMax = 2 ** 52;

/**
 * The grammar of durations with a sum above zero: any groups of zeros, then a group that has another digit, then anything. Eight digits to
 * a group: three years of seconds, and no sum that overflows.
 */
const durationPattern = /^ *(0{1,8}[smhdSMHD])*0{0,7}[1-9][0-9]{0,7}([smhdSMHD]([0-9]{1,8}[smhdSMHD])*([0-9]{1,8})?)? *$/;

const durationMessage = 'not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h';

export const durationSchema = (description: string) =>
  z
    .string()
    .max(32)
    .regex(durationPattern, durationMessage)
    // Three groups of eight digits can still make more milliseconds than a number holds.
    .refine((text) => !durationPattern.test(text) || isDuration(text), 'too long: its milliseconds do not fit a number')
    .describe(description);

/** The name of an object in Kubernetes, for references to one. */
export const objectNameSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be a DNS name: lower-case letters, digits, - and .');

export const sizeBytesSchema = z.int().min(0).max(sizeBytesMax);

/** A counter of a status. */
export const countSchema = z.int().min(0);

/** A moment in RFC 3339. The server checks it by its format. */
export const instantSchema = z.string().max(64).meta({ format: 'date-time' });

export const conditionSchema = z
  .object({
    type: z.string().min(1).max(316).describe('What the condition is about.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
    observedGeneration: z.int().min(0).optional().describe('metadata.generation of the spec that this was found on.'),
    lastTransitionTime: instantSchema.optional().describe('When the status last changed.'),
    reason: z.string().max(1_024).optional().describe('Why, in one word for programs.'),
    message: z.string().max(32_768).optional().describe('Why, and what to do about it, for people.'),
  })
  .describe('One finding about the policy.');

export const conditionsSchema = z
  .array(conditionSchema)
  .max(32)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

/** A whole document, as kubectl and the policy folder take it. */
export function documentSchema<K extends string, S extends z.ZodType>(kind: K, spec: S) {
  return z.strictObject({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata: z.looseObject({ name: objectNameSchema }),
    spec,
  });
}

function isDuration(text: string): boolean {
  try {
    return parseDurationMs(text) > 0;
  } catch {
    return false;
  }
}
