/** Every NATS subject and durable name there is, derived from the contracts. */
import type { EventContract, ServiceName } from './define.ts';

export const deadLetterStream = 'COUCHESTOR_DEAD_LETTERS';

export function eventSubject<T>(event: EventContract<T>, payload: T): string {
  const tail = event.subjectTail?.(payload);
  return tail === undefined ? `couchestor.${event.type}` : `couchestor.${event.type}.${tail}`;
}

/** Matches every message of one event type, and of no other. */
export function eventFilter(event: { readonly type: string; readonly subjectTail?: unknown }): string {
  return event.subjectTail === undefined ? `couchestor.${event.type}` : `couchestor.${event.type}.>`;
}

/** One durable consumer for each service and event: a durable's name may not hold a dot. */
export function durableName(service: ServiceName, event: { readonly type: string }): string {
  return `${service}--${event.type.replaceAll('.', '-')}`;
}

export function rpcSubject(rpc: { readonly name: string }): string {
  return `couchestor.rpc.${rpc.name}`;
}

export function deadLetterSubject(service: ServiceName, eventType: string): string {
  return `couchestor.dead-letter.${service}.${eventType}`;
}

/** JetStream's own conventions for key-value buckets, so that `nats kv` reads ours. */
export function bucketStream(bucket: { readonly name: string }): string {
  return `KV_${bucket.name}`;
}

export function bucketSubject(bucket: { readonly name: string }, key: string): string {
  return `$KV.${bucket.name}.${key}`;
}

/** Where a pull consumer is asked for its next messages. */
export function nextMessageSubject(o: { stream: string; durable: string }): string {
  return `$JS.API.CONSUMER.MSG.NEXT.${o.stream}.${o.durable}`;
}
