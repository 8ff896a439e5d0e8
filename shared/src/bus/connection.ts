/**
 * One connection to NATS that never gives up: it reconnects for ever, and makes the streams and buckets anew whenever they are missing,
 * so that brokers that came back empty are filled again by those who use them (S11).
 */
import { type ConnectionOptions, connect, type JetStreamClient, type JetStreamManager, type NatsConnection } from 'nats';
import type { Logger } from '../logger.ts';
import { redactUrls } from '../redact-url.ts';
import { sleep } from '../time.ts';
import { BusError } from './errors.ts';
import { serverOf } from './server-of.ts';
import { ensureTopology } from './topology.ts';

/** Longest that one request to JetStream may take before it is asked again. */
export const requestTimeoutMs = 3_000;
const connectTimeoutMs = 2_000;
const reconnectWaitMs = 250;
const ensureRetryMs = 500;
const closeTimeoutMs = 5_000;

export interface ConnectionInput {
  readonly url: string;
  readonly name: string;
  readonly logger: Logger;
  /** On how many servers of a cluster each stream is kept. Absent: nothing is changed about that. */
  readonly streamReplicas?: number | undefined;
  /** Ends the first attempts to connect; the connection itself lives until `close`. */
  readonly signal?: AbortSignal;
}

export class BusConnection {
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly logger: Logger;
  readonly #closing = new AbortController();
  readonly #streamReplicas: number | undefined;
  readonly #reconnectListeners = new Set<() => void>();
  #connected = true;
  #ensuring: Promise<void> | undefined;

  private constructor(nats: NatsConnection, manager: JetStreamManager, { logger, streamReplicas }: ConnectionInput) {
    this.#streamReplicas = streamReplicas;
    this.nats = nats;
    this.jetstream = nats.jetstream({ timeout: requestTimeoutMs });
    this.manager = manager;
    this.logger = logger;
  }

  /** Resolves once NATS answers and every stream and bucket stands. Tries until then, or until the signal is aborted. */
  static async open(input: ConnectionInput): Promise<BusConnection> {
    const nats = await connectPatiently(input);
    const manager = await nats.jetstreamManager({ checkAPI: false, timeout: requestTimeoutMs });
    const connection = new BusConnection(nats, manager, input);
    connection.#follow();
    try {
      await connection.#ensurePatiently(input.signal);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }

  get connected(): boolean {
    return this.#connected && !this.nats.isClosed();
  }

  /** Aborted when the connection is being closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Makes what is missing of the streams and buckets. Calls at the same time share one run. */
  ensure(): Promise<void> {
    this.#ensuring ??= ensureTopology(this.manager, { replicas: this.#streamReplicas }).finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  /** Called after each reconnect, once streams and buckets stand again. Returns the way to stop that. */
  onReconnect(listener: () => void): () => void {
    this.#reconnectListeners.add(listener);
    return () => this.#reconnectListeners.delete(listener);
  }

  /** Sends what is buffered and closes. */
  async close(): Promise<void> {
    this.#closing.abort(new BusError('CLOSED'));
    if (!this.nats.isClosed()) {
      // Without a server there is nobody to take the rest, and one that hangs does not answer.
      const patience = new AbortController();
      const drained = this.connected ? this.nats.drain() : Promise.resolve();
      await Promise.race([drained, sleep(closeTimeoutMs, patience.signal)]).catch(() => undefined);
      patience.abort();
      await this.nats.close();
    }
  }

  async #follow(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === 'disconnect') {
        this.#connected = false;
        this.logger.warn('lost the connection to NATS; reconnecting');
      } else if (status.type === 'reconnect') {
        this.#connected = true;
        this.logger.info('connected to NATS again');
        this.#restore();
      }
    }
  }

  async #restore(): Promise<void> {
    try {
      await this.#ensurePatiently();
    } catch (error) {
      if (!this.closing.aborted) {
        // Whoever uses a stream that is still missing asks for it again.
        this.logger.error({ err: error }, 'streams and buckets could not be restored');
      }
      return;
    }
    for (const listener of this.#reconnectListeners) {
      listener();
    }
  }

  /** JetStream answers some seconds after NATS does when it has much to recover. */
  async #ensurePatiently(signal?: AbortSignal): Promise<void> {
    const stop = signal === undefined ? this.closing : AbortSignal.any([signal, this.closing]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.ensure();
        return;
      } catch (error) {
        if (stop.aborted) {
          throw new BusError('CLOSED', {}, { cause: error });
        }
        if (BusError.is(error, 'STREAM_REFUSED')) {
          throw error;
        }
        if (attempt % 10 === 1) {
          this.logger.warn({ err: error }, 'JetStream does not answer yet; trying again');
        }
        await sleep(ensureRetryMs, stop);
      }
    }
  }
}

async function connectPatiently(input: ConnectionInput): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    ...serverOf(input.url),
    name: `couchestor ${input.name}`,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectWaitMs,
    reconnectJitter: reconnectWaitMs,
    ignoreAuthErrorAbort: true,
    pingInterval: 5_000,
    maxPingOut: 2,
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect(options);
    } catch (cause) {
      const error = new BusError('UNREACHABLE', { url: redactUrls(input.url) }, { cause });
      if (input.signal?.aborted) {
        throw error;
      }
      if (attempt % 20 === 1) {
        input.logger.warn({ err: error }, 'cannot reach NATS; trying again');
      }
      await sleep(ensureRetryMs, input.signal).catch(() => {
        throw error;
      });
    }
  }
}
