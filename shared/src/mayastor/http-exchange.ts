/**
 * How a call reaches the api-rest service: over HTTP or TLS, with a token where one is needed.
 *
 * The whole of a call, from finding the service to the last byte of the answer, has one deadline: a caller under a lock counts on it.
 */
import { readFile } from 'node:fs/promises';
import { buildConnector, Pool as ConnectionPool, type Dispatcher } from 'undici';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Answer, type Call, transportError } from './answer.ts';
import { MayastorError } from './errors.ts';

const answerBytesMax = 64 * 1024 * 1024;
const connectionsMax = 16;
// Mayastor closes a connection that was idle for 5 s; leave before that.
const keepAliveTimeoutMs = 4_000;

/** Where the service is, found at the first call and again until it is found. Throws MayastorError UNREACHABLE. */
export type Locate = () => Promise<string>;

export interface HttpExchangeInput {
  /** Of the api-rest service, without `/v0`, or how to find it. */
  readonly url: string | Locate;
  readonly requestTimeoutMs: number;
  /** PEM of the authority that has signed the service's certificate. Read for each connection, so that it can be exchanged. */
  readonly caFile?: string | undefined;
  /** Holds the bearer token. Read for each call, so that it can be exchanged; never logged. */
  readonly tokenFile?: string | undefined;
  readonly logger?: Logger | undefined;
}

interface Connections {
  readonly prefix: string;
  readonly reads: ConnectionPool;
  readonly writes: ConnectionPool;
}

export class HttpExchange {
  readonly #o: HttpExchangeInput;
  #opening: Promise<Connections> | undefined;
  #closed = false;

  constructor(o: HttpExchangeInput) {
    this.#o = o;
  }

  /** Sends one call; its path lacks the prefix `/v0`. Throws MayastorError where there is no complete answer. */
  async send(call: Call, body?: unknown): Promise<Answer> {
    const signal = AbortSignal.timeout(this.#o.requestTimeoutMs);
    // Until here nothing is sent: a failure is harmless for changes, too.
    const { prefix, reads, writes } = await this.#open(call);
    const authorization = await this.#authorization(call, signal);
    const startedAt = performance.now();
    try {
      const response = await (call.method === 'GET' ? reads : writes).request({
        method: call.method,
        path: `${prefix}${call.path}`,
        headers: { accept: 'application/json', ...authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      });
      const answer = { status: response.statusCode, body: await readText(call, response.body) };
      this.#o.logger?.debug({ ...call, status: answer.status, ms: Math.round(performance.now() - startedAt) }, 'mayastor call');
      return answer;
    } catch (error) {
      throw MayastorError.is(error) ? error : transportError(call, error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await this.#opening?.catch(() => undefined);
    // Whatever is still under way is past the budget of an orderly stop.
    await Promise.all([open?.reads.destroy(), open?.writes.destroy()]);
  }

  /** Calls at one time share the search for the service; one that found nothing is made again by the next call. */
  async #open(call: Call): Promise<Connections> {
    if (this.#closed) {
      throw new MayastorError('UNREACHABLE', { ...call, problem: 'the client is closed' });
    }
    this.#opening ??= this.#connections().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #connections(): Promise<Connections> {
    const { url: at, requestTimeoutMs, caFile } = this.#o;
    const url = new URL(typeof at === 'string' ? at : await at());
    // Shorter than the deadline, so that an address that swallows packets is "unreachable, nothing sent" and not "ambiguous".
    const timeout = Math.ceil(requestTimeoutMs / 2);
    const common = {
      connections: connectionsMax,
      connect: caFile === undefined || url.protocol !== 'https:' ? { timeout } : connectTrusting(caFile, timeout),
    };
    return {
      prefix: `${url.pathname.replace(/\/+$/, '')}/v0`,
      reads: new ConnectionPool(url.origin, { ...common, keepAliveTimeout: keepAliveTimeoutMs }),
      // Changes go over a connection of their own: on a reused one, a server that closes it for idleness would make the outcome ambiguous.
      writes: new ConnectionPool(url.origin, { ...common, pipelining: 0 }),
    };
  }

  async #authorization(call: Call, signal: AbortSignal): Promise<{ authorization?: string }> {
    const { tokenFile } = this.#o;
    if (tokenFile === undefined) {
      return {};
    }
    try {
      const token = (await readFile(tokenFile, { encoding: 'utf8', signal })).trim();
      // Anything else in a header is refused, and might be quoted, further down.
      if (!/^[\x21-\x7e]+$/.test(token)) {
        throw new Error(token === '' ? 'the file is empty' : 'the file holds more than one token');
      }
      return { authorization: `Bearer ${token}` };
    } catch (error) {
      const problem = `the token of --mayastor-token-file (${tokenFile}) cannot be used: ${describeError(error)}`;
      throw new MayastorError('UNREACHABLE', { ...call, problem }, { cause: error });
    }
  }
}

function connectTrusting(caFile: string, timeout: number): buildConnector.connector {
  return (options, callback) => {
    readFile(caFile, 'utf8').then(
      (ca) => buildConnector({ ca, timeout })(options, callback),
      (error: Error) => callback(error, null),
    );
  };
}

async function readText(call: Call, body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      // Leaving the loop closes the connection.
      throw new MayastorError('INVALID_ANSWER', { ...call, problem: `larger than ${answerBytesMax} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
