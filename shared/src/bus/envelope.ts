/**
 * What stands on the wire and in the buckets, and how older versions of it are read.
 *
 * An event is `{id, type, version, producer, at, payload}`, a bucket's value `{version, value}`, both JSON. They are validated on the way
 * out and on the way in. Older versions are lifted by the contract's `upcast`; newer ones are refused, never guessed at.
 */
import { z } from 'zod';
import type { BucketContract, EventContract } from '../contracts/define.ts';
import { BusError } from './errors.ts';

const envelopeSchema = z.object({
  id: z.string().min(1).max(256),
  type: z.string(),
  version: z.int().positive(),
  producer: z.string(),
  at: z.string(),
  payload: z.unknown(),
});
const storedSchema = z.object({ version: z.int().positive(), value: z.unknown() });

export interface Envelope<T> {
  readonly id: string;
  readonly producer: string;
  readonly payload: T;
}

export function encodeEvent<T>(event: EventContract<T>, envelope: Envelope<T> & { at: Date }): string {
  const { id, producer, at } = envelope;
  const payload = validate(event.payload, envelope.payload, { code: 'INVALID_PAYLOAD', what: event.type });
  return JSON.stringify({ id, type: event.type, version: event.version, producer, at: at.toISOString(), payload });
}

export function decodeEvent<T>(event: EventContract<T>, data: Uint8Array): Envelope<T> {
  const envelope = validate(envelopeSchema, parseJson(data, event.type), { code: 'INVALID_MESSAGE', what: event.type });
  if (envelope.type !== event.type) {
    throw new BusError('INVALID_MESSAGE', { what: event.type, field: 'type', found: envelope.type.slice(0, 100) });
  }
  return {
    id: envelope.id,
    producer: envelope.producer,
    payload: lift(event.type, event.payload, event, { version: envelope.version, value: envelope.payload }),
  };
}

export function encodeValue<T>(bucket: BucketContract<T>, value: T): string {
  return JSON.stringify({ version: bucket.version, value: validate(bucket.value, value, { code: 'INVALID_PAYLOAD', what: bucket.name }) });
}

export function decodeValue<T>(bucket: BucketContract<T>, data: Uint8Array): T {
  const stored = validate(storedSchema, parseJson(data, bucket.name), { code: 'INVALID_MESSAGE', what: bucket.name });
  return lift(bucket.name, bucket.value, bucket, { version: stored.version, value: stored.value });
}

/** Validates with zod; the error names the field at fault and never holds the whole payload. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, o: { code: 'INVALID_PAYLOAD' | 'INVALID_MESSAGE'; what: string }): T {
  const checked = schema.safeParse(value);
  if (checked.success) {
    return checked.data;
  }
  const [issue] = checked.error.issues;
  throw new BusError(o.code, {
    what: o.what,
    field: issue?.path.join('.') || '(whole)',
    problem: issue?.message,
    problems: checked.error.issues.length,
  });
}

export function parseJson(data: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch (cause) {
    throw new BusError('INVALID_MESSAGE', { what, field: '(whole)', problem: 'not JSON', bytes: data.byteLength }, { cause });
  }
}

function lift<T>(
  what: string,
  schema: z.ZodType<T>,
  contract: { readonly version: number; readonly upcast?: Readonly<Record<number, (old: unknown) => T>> },
  found: { version: number; value: unknown },
): T {
  if (found.version === contract.version) {
    return validate(schema, found.value, { code: 'INVALID_MESSAGE', what });
  }
  if (found.version > contract.version) {
    throw new BusError('NEWER_VERSION', { what, known: contract.version, found: found.version });
  }
  const upcast = contract.upcast?.[found.version];
  if (upcast === undefined) {
    throw new BusError('INVALID_MESSAGE', { what, field: 'version', problem: 'no upcast from this version', found: found.version });
  }
  try {
    return schema.parse(upcast(found.value));
  } catch (cause) {
    throw new BusError('INVALID_MESSAGE', { what, field: '(whole)', problem: 'could not be lifted', found: found.version }, { cause });
  }
}
