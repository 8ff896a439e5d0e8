/**
 * Handles the events of one type for one service, at least once each.
 *
 * The handler returned: acknowledged. It threw an error that may pass by itself (or one we do not know): handed back, to be delivered again
 * later and later. It threw one that will not pass, the message cannot be read, or it was delivered too often: kept in the dead-letter
 * stream with the error, then acknowledged. JetStream itself never gives up on a message (`max_deliver` is unlimited), because it would
 * do so silently (S10).
 */
import { AckPolicy, DeliverPolicy, type Msg, nanos } from 'nats';
import type { EventContract, ServiceName } from '../contracts/define.ts';
import { durableName, eventFilter } from '../contracts/subjects.ts';
import { CodedError, describeError } from '../errors.ts';
import { sleep } from '../time.ts';
import { redeliveryDelayMs } from './backoff.ts';
import { type BusConnection, requestTimeoutMs } from './connection.ts';
import { storeDeadLetter } from './dead-letters.ts';
import type { Delivery } from './delivery.ts';
import { decodeEvent } from './envelope.ts';
import { BusError } from './errors.ts';
import type { BusMetrics } from './metrics.ts';
import { pullOne } from './pull.ts';
import { restoreStreams } from './store.ts';

export interface Received<T> {
  /** Of the event; the same in every delivery and replay. */
  readonly id: string;
  readonly payload: T;
  /** JetStream's timestamp. */
  readonly publishedAt: Date;
  /** 1 at the first time. */
  readonly deliveries: number;
  readonly subject: string;
}

export interface ConsumeOptions<T> {
  readonly service: ServiceName;
  readonly handle: (message: Received<T>) => Promise<void>;
  /** Messages handled at the same time by this process. At 1, the default, they are handled in their order, but for those handed back. */
  readonly maxInFlight?: number;
  /** A message whose process died is delivered again after this. Handlers may take longer: their process keeps the message alive. */
  readonly ackWaitMs?: number;
  readonly deliveriesMax?: number;
}

const consumerRetryMs = 500;

export async function consume<T>(
  o: { connection: BusConnection; event: EventContract<T>; metrics: BusMetrics | undefined } & ConsumeOptions<T>,
): Promise<{ stop(): Promise<void> }> {
  const { connection, event, service, maxInFlight = 1, ackWaitMs = 30_000, deliveriesMax = 10 } = o;
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, connection.closing]);
  const consumer = { stream: event.stream, durable: durableName(service, event) };
  let making: Promise<void> | undefined;

  const makeConsumer = (): Promise<void> => {
    making ??= makeConsumerPatiently().finally(() => {
      making = undefined;
    });
    return making;
  };
  const makeConsumerPatiently = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await connection.manager.consumers.add(event.stream, {
          durable_name: consumer.durable,
          description: `${service} handles ${event.type}`,
          filter_subject: eventFilter(event),
          ack_policy: AckPolicy.Explicit,
          ack_wait: nanos(ackWaitMs),
          deliver_policy: DeliverPolicy.All,
          max_deliver: -1,
        });
        return;
      } catch (error) {
        connection.logger.debug({ err: error, durable: consumer.durable }, 'the consumer could not be made yet');
        await restoreStreams(connection);
        await sleep(consumerRetryMs, signal).catch(() => undefined);
      }
    }
  };

  const handleOne = async (message: Msg, delivery: Delivery): Promise<void> => {
    // Tells JetStream that the handler still works, lest the message is given to another process meanwhile.
    const keepAlive = setInterval(() => message.respond('+WPI'), Math.max(50, ackWaitMs / 3));
    try {
      if (delivery.deliveries > deliveriesMax) {
        throw new BusError('DELIVERED_TOO_OFTEN', { type: event.type, deliveries: delivery.deliveries });
      }
      const { id, payload } = decodeEvent(event, message.data);
      await o.handle({ id, payload, publishedAt: delivery.storedAt, deliveries: delivery.deliveries, subject: message.subject });
      await acknowledge(message);
      o.metrics?.handled.inc({ type: event.type, result: 'acked' });
    } catch (error) {
      await putAside(message, delivery, error);
    } finally {
      clearInterval(keepAlive);
    }
  };

  const putAside = async (message: Msg, delivery: Delivery, error: unknown): Promise<void> => {
    const mayPass = !(error instanceof CodedError) || error.retry;
    const facts = { type: event.type, sequence: delivery.sequence, deliveries: delivery.deliveries, err: error };
    if (mayPass && delivery.deliveries < deliveriesMax) {
      const delayMs = redeliveryDelayMs(delivery.deliveries, Math.random());
      connection.logger.warn({ ...facts, delayMs }, 'a message could not be handled and will be delivered again');
      handBack(message, delayMs);
      o.metrics?.handled.inc({ type: event.type, result: 'retried' });
      return;
    }
    try {
      await storeDeadLetter(connection, { service, type: event.type, durable: consumer.durable, message, delivery, error });
    } catch (cause) {
      connection.logger.error(
        { ...facts, storing: describeError(cause) },
        'a dead letter could not be stored; the message will be delivered again',
      );
      handBack(message, redeliveryDelayMs(delivery.deliveries, Math.random()));
      return;
    }
    connection.logger.error(facts, 'a message could not be handled and was put into the dead-letter stream');
    await acknowledge(message);
    o.metrics?.handled.inc({ type: event.type, result: 'dead_lettered' });
  };

  /** Waits for JetStream's word that it has the acknowledgement. Without it the message comes again, which its handler is made for. */
  const acknowledge = async (message: Msg): Promise<void> => {
    await connection.nats.request(message.reply ?? '', '+ACK', { timeout: requestTimeoutMs }).catch((error: unknown) => {
      connection.logger.warn({ type: event.type, err: error }, 'an acknowledgement was not confirmed; the message may come again');
    });
  };

  const handBack = (message: Msg, delayMs: number): void => {
    message.respond(`-NAK ${JSON.stringify({ delay: nanos(delayMs) })}`);
  };

  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const pulled = await pullOne(connection, consumer, signal);
        if (pulled.kind === 'message') {
          await handleOne(pulled.message, pulled.delivery);
        } else if (pulled.kind === 'lost' && !signal.aborted) {
          await makeConsumer();
        }
      } catch (error) {
        if (!signal.aborted) {
          connection.logger.error({ type: event.type, err: error }, 'the consumer stumbled and goes on');
          await sleep(consumerRetryMs, signal).catch(() => undefined);
        }
      }
    }
  };

  await makeConsumer();
  const workers = Array.from({ length: maxInFlight }, work);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(workers);
    },
  };
}
