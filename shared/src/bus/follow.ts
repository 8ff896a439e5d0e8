/**
 * Follows a stream with a consumer of its own that leaves nothing behind.
 *
 * JetStream numbers what it delivers and sends heartbeats in between. A gap in the numbers, silence, or a reconnect may mean that something
 * was missed: the consumer is then made anew, from the beginning of what is wanted or from where it was, and `onBegin` is told so.
 */
import { AckPolicy, type ConsumerConfig, createInbox, DeliverPolicy, type Msg, nanos } from 'nats';
import { sleep } from '../time.ts';
import type { BusConnection } from './connection.ts';
import { type Delivery, deliveryOf } from './delivery.ts';
import { restoreStreams } from './store.ts';

export interface FollowInput {
  readonly stream: string;
  readonly filter: string;
  /** What each beginning delivers: the newest message of each subject, then what is new; or only what is new since `follow` was called. */
  readonly from: 'last-per-subject' | 'new';
  readonly onBegin?: () => void;
  readonly onMessage: (message: Msg, delivery: Delivery) => void;
  /** Everything that was there at the last beginning has been delivered. */
  readonly onCaughtUp?: () => void;
}

const heartbeatMs = 1_000;
const silenceMs = 3_500;
const restartMs = 250;
/** The server forgets a follower that has gone after this. */
const inactiveMs = 10_000;

/** Resolves once the first consumer stands; what is published from then on will be seen. */
export async function follow(connection: BusConnection, input: FollowInput): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, connection.closing]);
  const cursor = new Cursor(input.from);
  let standing: () => void = () => undefined;
  const firstStanding = new Promise<void>((resolve) => {
    standing = resolve;
  });
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await followOnce(connection, { ...input, cursor, signal, onStanding: standing });
      } catch (error) {
        if (!signal.aborted) {
          connection.logger.debug({ stream: input.stream, err: error }, 'following a stream starts again');
          await restoreStreams(connection);
        }
      }
      await sleep(restartMs, signal).catch(() => undefined);
    }
    standing();
  };
  const done = loop();
  await firstStanding;
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** Where to begin. A stream that was made anew since has lost its numbers, so everything in it is new to us. */
class Cursor {
  readonly #from: FollowInput['from'];
  #streamCreated: string | undefined;
  #nextSequence = 0;

  constructor(from: FollowInput['from']) {
    this.#from = from;
  }

  async start(connection: BusConnection, stream: string): Promise<Partial<ConsumerConfig>> {
    if (this.#from === 'last-per-subject') {
      return { deliver_policy: DeliverPolicy.LastPerSubject };
    }
    const { created, state } = await connection.manager.streams.info(stream);
    if (this.#streamCreated === undefined) {
      this.#nextSequence = state.last_seq + 1;
    } else if (this.#streamCreated !== created) {
      this.#nextSequence = 1;
    }
    this.#streamCreated = created;
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#nextSequence };
  }

  passed(sequence: number): void {
    this.#nextSequence = sequence + 1;
  }
}

/** Resolves when the consumer has to be made anew, or on the signal. */
async function followOnce(
  connection: BusConnection,
  o: FollowInput & { cursor: Cursor; signal: AbortSignal; onStanding: () => void },
): Promise<void> {
  let received = 0;
  let awaited: number | undefined;
  let caughtUp = false;
  let breakOff: () => void = () => undefined;
  const broken = new Promise<void>((resolve) => {
    breakOff = resolve;
  });
  const checkCaughtUp = (certain: boolean): void => {
    if (!caughtUp && awaited !== undefined && (certain || received >= awaited)) {
      caughtUp = true;
      o.onCaughtUp?.();
    }
  };
  const start = await o.cursor.start(connection, o.stream);
  const inbox = createInbox();
  o.onBegin?.();
  const subscription = connection.nats.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) {
        breakOff();
        return;
      }
      silence.refresh();
      const delivery = deliveryOf(message);
      if (delivery !== undefined) {
        if (delivery.consumerSequence !== received + 1) {
          breakOff();
          return;
        }
        received += 1;
        o.cursor.passed(delivery.sequence);
        o.onMessage(message, delivery);
        checkCaughtUp(false);
        return;
      }
      answerFlowControl(connection, message);
      const last = message.headers?.get('Nats-Last-Consumer') ?? '';
      if (last !== '') {
        if (Number(last) > received) {
          breakOff();
        } else {
          // A heartbeat is sent when there is nothing left to deliver.
          checkCaughtUp(true);
        }
      }
    },
  });
  const silence = setTimeout(() => breakOff(), silenceMs);
  const forgetReconnect = connection.onReconnect(() => breakOff());
  const onAbort = (): void => breakOff();
  o.signal.addEventListener('abort', onAbort, { once: true });
  let consumerName: string | undefined;
  try {
    const info = await connection.manager.consumers.add(o.stream, {
      ...start,
      ack_policy: AckPolicy.None,
      deliver_subject: inbox,
      filter_subject: o.filter,
      flow_control: true,
      idle_heartbeat: nanos(heartbeatMs),
      inactive_threshold: nanos(inactiveMs),
      max_deliver: 1,
      mem_storage: true,
    });
    consumerName = info.name;
    awaited = info.delivered.consumer_seq + info.num_pending;
    checkCaughtUp(false);
    o.onStanding();
    if (!o.signal.aborted) {
      await broken;
    }
  } finally {
    clearTimeout(silence);
    forgetReconnect();
    o.signal.removeEventListener('abort', onAbort);
    subscription.unsubscribe();
    if (consumerName !== undefined && connection.connected) {
      // Only a courtesy: a consumer that nobody listens to is forgotten by the server itself.
      await connection.manager.consumers.delete(o.stream, consumerName).catch(() => undefined);
    }
  }
}

/** The server stops sending until the follower says that it has kept up. */
function answerFlowControl(connection: BusConnection, message: Msg): void {
  // The second: a heartbeat naming a flow control request whose answer was lost.
  const answerTo = message.reply || message.headers?.get('Nats-Consumer-Stalled');
  if (answerTo) {
    connection.nats.publish(answerTo);
  }
}
