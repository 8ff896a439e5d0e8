/** The bus: facts between services, stored records, questions and dead letters, all over one connection to NATS. */
import { randomUUID } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { BucketContract, EventContract, RpcContract, ServiceName } from '../contracts/define.ts';
import { eventFilter, eventSubject } from '../contracts/subjects.ts';
import type { Logger } from '../logger.ts';
import { type Bucket, type BucketEntry, KeyValueBucket } from './bucket.ts';
import { BusConnection } from './connection.ts';
import { type ConsumeOptions, consume, type Received } from './consume.ts';
import { countDeadLetters, type DeadLetter, listDeadLetters, replayDeadLetter } from './dead-letters.ts';
import { decodeEvent, encodeEvent } from './envelope.ts';
import { BusError } from './errors.ts';
import { follow } from './follow.ts';
import { busMetrics } from './metrics.ts';
import { call, serve } from './rpc.ts';
import { store } from './store.ts';

export type { Bucket, BucketEntry, ConsumeOptions, DeadLetter, Received };

export interface Stoppable {
  stop(): Promise<void>;
}

export interface Bus {
  /** Resolves once JetStream has stored it. Two publishes of one id within two minutes are stored once. */
  publish<T>(event: EventContract<T>, payload: T, options?: { id?: string }): Promise<void>;
  /** A durable consumer for each service and event. See consume.ts for what becomes of a message. */
  consume<T>(event: EventContract<T>, options: ConsumeOptions<T>): Promise<Stoppable>;
  /** New messages only, and nothing is kept for a watcher that is away: for views. Messages that cannot be read are logged and left out. */
  watchEvent<T>(event: EventContract<T>, handle: (message: Received<T>) => void): Promise<Stoppable>;
  bucket<T>(contract: BucketContract<T>): Bucket<T>;
  /** Throws NO_ANSWER, or RPC_REFUSED with the answerer's code and message among its facts. */
  call<Q, A>(rpc: RpcContract<Q, A>, request: Q, options: { timeoutMs: number }): Promise<A>;
  /** Several servers of one question share it: each is answered by one of them. */
  serve<Q, A>(rpc: RpcContract<Q, A>, handle: (request: Q) => Promise<A>): Promise<Stoppable>;
  readonly deadLetters: {
    /** Oldest first. */
    list(options: { limit: number }): Promise<DeadLetter[]>;
    replay(sequence: number): Promise<void>;
    count(): Promise<number>;
  };
  /** Throws where NATS or its JetStream does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface ConnectBusInput {
  readonly url: string;
  readonly name: ServiceName;
  readonly logger: Logger;
  readonly registry?: Registry;
  /** On how many servers of a NATS cluster each stream is kept. Absent: as it is, and on one where it is made anew. */
  readonly streamReplicas?: number | undefined;
  /** Gives up connecting when aborted, with UNREACHABLE or CLOSED. Without it, connecting is tried for ever. */
  readonly signal?: AbortSignal;
}

/** Connects, waiting for NATS and its JetStream as long as it takes, and makes all streams and buckets. */
export async function connectBus(o: ConnectBusInput): Promise<Bus> {
  const connection = await BusConnection.open(o);
  const metrics =
    o.registry === undefined
      ? undefined
      : busMetrics(o.registry, { connected: () => connection.connected, deadLetters: () => countDeadLetters(connection) });
  return {
    async publish(event, payload, options = {}) {
      const id = options.id ?? randomUUID();
      const data = encodeEvent(event, { id, producer: o.name, at: new Date(), payload });
      await store(connection, { subject: eventSubject(event, payload), data, id });
      metrics?.published.inc({ type: event.type });
    },
    consume: (event, options) => consume({ ...options, connection, event, metrics }),
    watchEvent: (event, handle) =>
      follow(connection, {
        stream: event.stream,
        filter: eventFilter(event),
        from: 'new',
        onMessage: (message, delivery) => {
          try {
            const { id, payload } = decodeEvent(event, message.data);
            handle({ id, payload, publishedAt: delivery.storedAt, deliveries: 1, subject: message.subject });
          } catch (error) {
            o.logger.warn({ type: event.type, sequence: delivery.sequence, err: error }, 'a message could not be shown');
          }
        },
      }),
    bucket: (contract) => new KeyValueBucket(connection, contract),
    call: (rpc, request, options) => call(connection, rpc, request, options),
    serve: (rpc, handle) => serve(connection, rpc, handle),
    deadLetters: {
      list: (options) => listDeadLetters(connection, options),
      replay: (sequence) => replayDeadLetter(connection, sequence),
      count: () => countDeadLetters(connection),
    },
    async ping() {
      if (!connection.connected) {
        throw new BusError('UNREACHABLE');
      }
      try {
        await connection.manager.getAccountInfo();
      } catch (cause) {
        throw new BusError('NO_JETSTREAM', {}, { cause });
      }
    },
    close: () => connection.close(),
  };
}
