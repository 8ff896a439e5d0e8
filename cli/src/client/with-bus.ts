/** A connection to the running system for the length of one command. */

import { connect } from 'node:net';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { BusError } from '@couchestor/shared/bus/errors';
import type { RpcContract } from '@couchestor/shared/contracts/define';
import { CodedError } from '@couchestor/shared/errors';
import { createLogger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import { CliError } from '../errors.ts';
import { findRunningStack } from '../stack/find-running.ts';
import type { StackFile } from '../stack/stack-file.ts';
import type { ClientValues } from './options.ts';

export const defaultNatsUrl = 'nats://127.0.0.1:4222';
const reachTimeoutMs = 2_000;
const notReadyPauseMs = 200;

interface ConnectInput {
  readonly values: ClientValues;
  readonly env: NodeJS.ProcessEnv;
}

export interface Client {
  readonly bus: Bus;
  readonly natsUrl: string;
  /** The local stack that was asked, where it is one. */
  readonly stack: StackFile | undefined;
  /** Asks, and says who did not answer. */
  ask<Q, A>(rpc: RpcContract<Q, A>, request: Q): Promise<A>;
}

export async function withBus<T>(o: ConnectInput, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(o);
  try {
    return await use(client);
  } finally {
    await client.bus.close();
  }
}

/** Throws CLI_NOT_RUNNING where nobody listens. Whoever opens it closes its bus. */
export async function openClient(o: ConnectInput): Promise<Client> {
  const { timeoutMs } = o.values;
  const stack = o.values.natsUrl === undefined ? await findRunningStack({ dataDir: o.values.dataDir, env: o.env }) : undefined;
  const natsUrl = o.values.natsUrl ?? stack?.natsUrl ?? defaultNatsUrl;
  await reach(natsUrl);
  const logger = createLogger({ name: 'couchestor', level: 'error', json: false, to: { write: (line) => process.stderr.write(line) } });
  const bus = await connectBus({ url: natsUrl, name: 'cli', logger, signal: AbortSignal.timeout(timeoutMs) });
  return {
    bus,
    natsUrl,
    stack,
    ask: async (rpc, request) => {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        try {
          return await bus.call(rpc, request, { timeoutMs });
        } catch (error) {
          if (isNotReady(error) && performance.now() < deadlineMs) {
            await sleep(notReadyPauseMs);
            continue;
          }
          throw BusError.is(error, 'NO_ANSWER')
            ? new CliError('NO_ANSWER', { service: rpc.answeredBy, waitedMs: timeoutMs, natsUrl })
            : error;
        }
      }
    },
  };
}

/** The service has just started and will know in a moment what it is asked for. */
function isNotReady(error: unknown): boolean {
  return error instanceof CodedError && BusError.is(error, 'RPC_REFUSED') && error.facts['code'] === 'BRAIN_NOT_READY';
}

/** The bus waits for its server for as long as it takes, which is right for a service; a person wants to be told at once. */
async function reach(natsUrl: string): Promise<void> {
  const { hostname, port } = new URL(natsUrl);
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 4222), timeout: reachTimeoutMs });
    const fail = (cause?: Error): void => {
      socket.destroy();
      reject(new CliError('NOT_RUNNING', { natsUrl: `nats://${hostname}:${port || 4222}` }, { cause }));
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => fail(new Error(`no connection within ${reachTimeoutMs} ms`)));
    socket.once('error', fail);
  });
}
