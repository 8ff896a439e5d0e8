/**
 * Block volumes for NBD clients, over a unix socket or TCP.
 *
 * Nothing a client sends costs more than the limits allow, and nothing it sends or fails to send harms another one.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import type { NbdExports } from './block-device.ts';
import { NbdError } from './errors.ts';
import { defaultNbdLimits, NbdBudget, type NbdLimits } from './limits.ts';
import { MemoryPool } from './memory-pool.ts';
import type { NbdMetrics } from './metrics.ts';
import { negotiate } from './negotiation.ts';
import { loadTls, type NbdTls } from './tls.ts';
import { Transmission } from './transmission.ts';
import { clearSocketPath } from './unix-socket.ts';

export type NbdListen = { readonly unixPath: string } | { readonly host: string; readonly port: number };

export interface NbdServerInput {
  readonly exports: NbdExports;
  readonly listen: NbdListen;
  /** Offered to clients; see requireTls. */
  readonly tls?: NbdTls;
  /** Clients without TLS get nothing, not even the list of exports. */
  readonly requireTls?: boolean;
  readonly limits?: Partial<NbdLimits>;
  readonly logger: Logger;
  readonly metrics?: NbdMetrics;
}

export interface NbdServer {
  /** The path of a unix socket, or where it listens. */
  readonly address: string | AddressInfo;
  connections(): number;
  /** Accepts nobody any more, answers what is in hand, and destroys what is left after `budgetMs`. */
  close(budgetMs: number): Promise<void>;
}

const checkIntervalMs = 1_000;
/** After so long without a word, TCP asks whether the other end is still there. */
const keepAliveMs = 60_000;

/** Throws NbdError. */
export async function startNbdServer(o: NbdServerInput): Promise<NbdServer> {
  const limits = { ...defaultNbdLimits, ...o.limits };
  const neededBytes = limits.requestBytesMax + 2 ** 17;
  if (limits.connectionBytesMax < neededBytes || limits.serverBytesMax < neededBytes) {
    throw new NbdError('BAD_LIMITS', { neededBytes, connectionBytesMax: limits.connectionBytesMax, serverBytesMax: limits.serverBytesMax });
  }
  if (o.tls !== undefined) {
    await loadTls(o.tls);
  } else if (o.requireTls === true) {
    throw new NbdError('NO_TLS');
  }
  const clients = new Clients({ ...o, limits });
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false, noDelay: true }, (socket) => clients.add(socket));
  await listen(server, o.listen);
  server.on('error', (error) => o.logger.error({ err: error }, 'the NBD server failed to accept'));
  const timer = setInterval(() => clients.check(), checkIntervalMs).unref();
  return {
    address: server.address() ?? '',
    connections: () => clients.count,
    close: async (budgetMs) => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      await clients.close(budgetMs);
      clearInterval(timer);
      await closed;
    },
  };
}

async function listen(server: Server, where: NbdListen): Promise<void> {
  if ('unixPath' in where) {
    await clearSocketPath(where.unixPath);
  }
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const facts = 'unixPath' in where ? { path: where.unixPath } : { host: where.host, port: where.port };
      reject(new NbdError(cause.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'CANNOT_LISTEN', facts, { cause }));
    };
    server.once('error', onError);
    server.listen('unixPath' in where ? { path: where.unixPath } : where, () => {
      server.removeListener('error', onError);
      resolve();
    });
  });
}

class Clients {
  readonly #o: Omit<NbdServerInput, 'limits'> & { readonly limits: NbdLimits };
  readonly #budget: NbdBudget;
  readonly #pool = new MemoryPool();
  /** Sockets as they were accepted, with what goes on over them once that has begun. */
  readonly #all = new Map<Socket, Transmission | undefined>();
  #isClosing = false;
  #onEmpty: (() => void) | undefined;

  constructor(o: Omit<NbdServerInput, 'limits'> & { readonly limits: NbdLimits }) {
    this.#o = o;
    this.#budget = new NbdBudget(o.limits);
  }

  get count(): number {
    return this.#all.size;
  }

  add(socket: Socket): void {
    const { limits, logger, metrics } = this.#o;
    socket.on('error', (error) => logger.debug({ because: describeError(error) }, 'an NBD connection broke'));
    if (this.#isClosing || this.#all.size >= limits.connectionsMax) {
      metrics?.refused();
      socket.destroy();
      return;
    }
    socket.setKeepAlive(true, keepAliveMs);
    this.#all.set(socket, undefined);
    metrics?.connected();
    this.#serve(socket).catch((error: unknown) => {
      logger.warn({ err: error }, 'an NBD client was cut off');
      this.#remove(socket);
    });
  }

  check(): void {
    const nowMs = performance.now();
    for (const transmission of this.#all.values()) {
      transmission?.check(nowMs);
    }
  }

  async close(budgetMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#all.size === 0) {
      return;
    }
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const timer = setTimeout(() => {
      for (const socket of this.#all.keys()) {
        socket.destroy();
      }
      // A device that never answers keeps its requests, not this server.
      this.#onEmpty?.();
    }, budgetMs);
    for (const [socket, transmission] of this.#all) {
      if (transmission === undefined) {
        socket.destroy();
      } else {
        transmission.finish();
      }
    }
    await empty;
    clearTimeout(timer);
  }

  async #serve(socket: Socket): Promise<void> {
    const { limits } = this.#o;
    const timer = setTimeout(() => socket.destroy(), limits.handshakeTimeoutMs);
    const agreement = await negotiate(socket, { ...this.#o, tls: this.#o.tls, requireTls: this.#o.requireTls === true }).finally(() =>
      clearTimeout(timer),
    );
    if (agreement === undefined) {
      await closeOf(socket);
      this.#remove(socket);
      return;
    }
    const transmission = new Transmission({
      ...agreement,
      device: agreement.open.device,
      limits,
      budget: this.#budget,
      pool: this.#pool,
      logger: this.#o.logger,
      metrics: this.#o.metrics,
      onEnd: () => {
        agreement.open.close();
        this.#remove(socket);
      },
    });
    this.#all.set(socket, transmission);
    transmission.start();
    if (this.#isClosing) {
      transmission.finish();
    }
  }

  #remove(socket: Socket): void {
    socket.destroy();
    if (this.#all.delete(socket)) {
      this.#o.metrics?.disconnected();
    }
    if (this.#all.size === 0) {
      this.#onEmpty?.();
    }
  }
}

async function closeOf(socket: Socket): Promise<void> {
  if (!socket.closed) {
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      // One who reads nothing more must not be waited for.
      setTimeout(() => socket.destroy(), 1_000).unref();
    });
  }
}
