/**
 * How facts, questions and stored records are defined: once each, with their schema and version.
 *
 * Streams, durable consumers and docs/events.md derive from these definitions (see registry.ts). No NATS subject is written elsewhere.
 */
import type { z } from 'zod';

export type ServiceName = 'metrics-watcher' | 'policy-brain' | 'migrator' | 'ec-encoder' | 's3-gateway' | 'cli';

export type StreamName = 'COUCHESTOR_SAMPLES' | 'COUCHESTOR_MIGRATIONS' | 'COUCHESTOR_VAULT';

/** A fact that one service states and others consume at least once. */
export interface EventContract<T = unknown> {
  /** Past tense, as in `migration.requested`. The subject is `couchestor.<type>`, plus `subjectTail`. */
  readonly type: string;
  readonly version: number;
  readonly stream: StreamName;
  readonly producer: ServiceName;
  /** Those with a durable consumer. None: a fact for whoever watches, and for the record. */
  readonly consumers: readonly ServiceName[];
  readonly description: string;
  readonly payload: z.ZodType<T>;
  /** Further subject tokens of one message, where the stream keeps one message for each. */
  readonly subjectTail?: (payload: T) => string;
  /** Lifts an older version's payload to this version, keyed by the older version. */
  readonly upcast?: Readonly<Record<number, (old: unknown) => T>>;
}

/** A question that one service answers now or not at all: NATS request and reply. */
export interface RpcContract<Request = unknown, Response = unknown> {
  /** The subject is `couchestor.rpc.<name>`. */
  readonly name: string;
  readonly answeredBy: ServiceName;
  readonly description: string;
  readonly request: z.ZodType<Request>;
  readonly response: z.ZodType<Response>;
}

/** A JetStream key-value bucket: versioned records with compare-and-set on their revision. */
export interface BucketContract<T = unknown> {
  readonly name: string;
  readonly version: number;
  readonly owner: ServiceName;
  readonly description: string;
  readonly value: z.ZodType<T>;
  /** Revisions kept for each key, at most 64. */
  readonly history: number;
  /** Records older than this are dropped. Absent: kept until deleted. */
  readonly ttlMs?: number;
  readonly maxBytes: number;
  readonly upcast?: Readonly<Record<number, (old: unknown) => T>>;
}

export function defineEvent<T>(contract: EventContract<T>): EventContract<T> {
  return Object.freeze(contract);
}

export function defineRpc<Request, Response>(contract: RpcContract<Request, Response>): RpcContract<Request, Response> {
  return Object.freeze(contract);
}

export function defineBucket<T>(contract: BucketContract<T>): BucketContract<T> {
  return Object.freeze(contract);
}
