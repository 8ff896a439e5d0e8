/**
 * Asks a durable consumer for its next message: one at a time, so that a message's time to be acknowledged starts when its handling does.
 *
 * The server sends a heartbeat while there is nothing to deliver. Silence means that it has lost our request: it restarted, or the consumer
 * or its stream was deleted. The caller then makes the consumer again and asks anew.
 */
import { createInbox, type Msg, nanos } from 'nats';
import { nextMessageSubject } from '../contracts/subjects.ts';
import type { BusConnection } from './connection.ts';
import { type Delivery, deliveryOf } from './delivery.ts';

/** How long a request waits at the server. */
const waitMs = 10_000;
const heartbeatMs = 1_000;
/** Two heartbeats missed. */
const silenceMs = 2_500;

const nak = new TextEncoder().encode('-NAK');

export type Pulled =
  | { readonly kind: 'message'; readonly message: Msg; readonly delivery: Delivery }
  /** Nothing came in the time that the request waited. */
  | { readonly kind: 'nothing' }
  /** The consumer does not answer. */
  | { readonly kind: 'lost' };

export function pullOne(connection: BusConnection, consumer: { stream: string; durable: string }, signal: AbortSignal): Promise<Pulled> {
  return new Promise((resolve) => {
    let settled = false;
    const settle = (pulled: Pulled): void => {
      if (settled) {
        return;
      }
      settled = true;
      clearTimeout(silence);
      signal.removeEventListener('abort', onAbort);
      forgetReconnect();
      if (pulled.kind === 'message' || connection.nats.isClosed()) {
        subscription.unsubscribe();
      } else {
        // What the server sends before it has learnt that nobody waits any more still reaches the callback, which hands it back.
        subscription.drain().catch(() => undefined);
      }
      resolve(pulled);
    };
    const onAbort = (): void => settle({ kind: 'nothing' });
    const onSilence = (): void => settle({ kind: 'lost' });

    const inbox = createInbox();
    const subscription = connection.nats.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) {
          settle({ kind: 'lost' });
          return;
        }
        const delivery = deliveryOf(message);
        if (delivery !== undefined && settled) {
          message.respond(nak);
        } else if (delivery !== undefined) {
          settle({ kind: 'message', message, delivery });
        } else if (message.headers?.code === 100) {
          silence.refresh();
        } else {
          // 404 and 408: nothing came in time. The rest (409, 503): the consumer was deleted or its server is going away.
          settle({ kind: message.headers?.code === 404 || message.headers?.code === 408 ? 'nothing' : 'lost' });
        }
      },
    });
    const silence = setTimeout(onSilence, silenceMs);
    const forgetReconnect = connection.onReconnect(onSilence);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
      return;
    }
    const request = { batch: 1, expires: nanos(waitMs), idle_heartbeat: nanos(heartbeatMs) };
    connection.nats.publish(nextMessageSubject(consumer), JSON.stringify(request), { reply: inbox });
  });
}
