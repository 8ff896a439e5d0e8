/**
 * The custom resources as the brain reads them. The spec is taken as it is: the brain judges it itself (crds/judge.ts), so that an object
 * which an older definition or a server without CEL let through gets a status that says what is wrong with it.
 *
 * The status is read field by field, and a field that makes no sense, or that a newer version has written, is one that is not there: no
 * status puts a policy out of work, and no odd field loses the others, such as the totals and the conditions that somebody else keeps. Only
 * an accepted spec that is there and cannot be read is told, because stripes may have been written by it.
 */
import { z } from 'zod';
import { erasureCodingPolicyStatusSchema } from '../erasure-coding-policy.ts';
import { metadataSchema } from '../kubernetes/objects.ts';
import type { Resource } from '../kubernetes/resource.ts';
import { storagePolicyStatusSchema } from '../storage-policy.ts';
import { apiGroup } from './fields.ts';

const rawSchema = z.object({ metadata: metadataSchema, spec: z.unknown().optional(), status: z.unknown().optional() });

const rawStoragePolicySchema = rawSchema.transform(({ metadata, spec, status }) => ({
  metadata,
  spec,
  status: readableFields(storagePolicyStatusSchema, status),
}));

const rawErasureCodingPolicySchema = rawSchema.transform(({ metadata, spec, status }) => ({
  metadata,
  spec,
  status: readableFields(erasureCodingPolicyStatusSchema, status),
  acceptedSpecProblem: acceptedSpecProblemOf(status),
}));

export type RawStoragePolicy = Present<z.infer<typeof rawStoragePolicySchema>>;
/** `acceptedSpecProblem`: why `status.acceptedSpec`, which is there, cannot be read. */
export type RawErasureCodingPolicy = Present<z.infer<typeof rawErasureCodingPolicySchema>>;

/** Undefined and absent are the same here. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: T[K];
};

export const storagePolicies: Resource<RawStoragePolicy> = {
  group: apiGroup,
  version: 'v1',
  plural: 'storagepolicies',
  kind: 'StoragePolicy',
  namespaced: false,
  schema: rawStoragePolicySchema,
};

export const erasureCodingPolicies: Resource<RawErasureCodingPolicy> = {
  group: apiGroup,
  version: 'v1',
  plural: 'erasurecodingpolicies',
  kind: 'ErasureCodingPolicy',
  namespaced: false,
  schema: rawErasureCodingPolicySchema,
};

/** All fields of a status are optional. */
function readableFields<T extends z.ZodObject>(schema: T, status: unknown): z.output<T> | undefined {
  if (!isObject(status)) {
    return undefined;
  }
  const fields = Object.entries(schema.shape).flatMap(([name, field]) => {
    const read = z.safeParse(field, status[name]);
    return read.success && read.data !== undefined ? [[name, read.data]] : [];
  });
  return Object.fromEntries(fields) as z.output<T>;
}

function acceptedSpecProblemOf(status: unknown): string | undefined {
  const accepted = isObject(status) ? status['acceptedSpec'] : undefined;
  if (accepted === undefined || accepted === null) {
    return undefined;
  }
  const read = erasureCodingPolicyStatusSchema.shape.acceptedSpec.safeParse(accepted);
  return read.success ? undefined : read.error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; ');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
