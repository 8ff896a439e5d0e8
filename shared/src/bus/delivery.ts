/** What JetStream says about a delivered message, read from the subject on which it wants the acknowledgement. */
import type { Msg } from 'nats';

export interface Delivery {
  readonly stream: string;
  /** 1 at the first time. */
  readonly deliveries: number;
  readonly sequence: number;
  readonly consumerSequence: number;
  readonly storedAt: Date;
  /** Messages that the consumer has yet to deliver. */
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`; newer servers put a domain and an
 * account before the stream and may append more. Absent: the message is a status of JetStream's, not a stored message.
 */
export function deliveryOf(message: Pick<Msg, 'reply'>): Delivery | undefined {
  const tokens = (message.reply ?? '').split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) {
    return undefined;
  }
  const [stream = '', , deliveries, sequence, consumerSequence, nanoseconds = '0', pending] = tokens.slice(tokens.length === 9 ? 2 : 4);
  return {
    stream,
    deliveries: Number(deliveries),
    sequence: Number(sequence),
    consumerSequence: Number(consumerSequence),
    storedAt: new Date(Number(BigInt(nanoseconds) / 1_000_000n)),
    pending: Number(pending),
  };
}
