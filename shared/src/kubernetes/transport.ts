/**
 * Calls to the API server over undici: one agent for calls and one for watches, a deadline and a limit of size on every answer.
 *
 * The certificates are asked for at every call; where they have changed, new agents take over and the old ones end with their last answer.
 * A 401 is tried once more with credentials asked for anew, as nothing was done.
 */
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import type { Logger } from '../logger.ts';
import { type Answer, type Call, callFacts, refusalOf, transportError } from './answer.ts';
import { CredentialSource, type Credentials } from './credentials.ts';
import { KubeError } from './errors.ts';
import type { KubeTarget } from './kubeconfig.ts';

export interface KubeRequest extends Call {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** One call that came to an end, for metrics; status is that of the answer, or of none `none`. */
export type OnRequest = (seen: { verb: string; status: string }) => void;

// A page of 500 objects of 100 KiB each; objects are up to 1.5 MiB, but not 500 of them.
const answerBytesMax = 64 * 1024 * 1024;
const connectionsMax = 16;
// A watch holds its connection; there is one for each kind of object and namespace.
const watchesMax = 64;

interface Agents {
  readonly madeFor: Credentials;
  readonly tls: string;
  readonly calls: Dispatcher;
  readonly watches: Dispatcher;
}

export class KubeTransport {
  readonly #target: KubeTarget;
  readonly #credentials: CredentialSource;
  readonly #requestTimeoutMs: number;
  readonly #logger: Logger | undefined;
  readonly #onRequest: OnRequest;
  #agents: Agents | undefined;
  readonly #streams = new Set<AbortController>();
  #closed = false;

  constructor(o: { target: KubeTarget; requestTimeoutMs: number; logger?: Logger | undefined; onRequest: OnRequest }) {
    this.#target = o.target;
    this.#credentials = new CredentialSource(o.target);
    this.#requestTimeoutMs = o.requestTimeoutMs;
    this.#logger = o.logger;
    this.#onRequest = o.onRequest;
  }

  /** The whole answer, whatever its status. Throws KubeError where there is none. */
  async exchange(call: KubeRequest, stop?: AbortSignal): Promise<Answer> {
    const deadline = AbortSignal.timeout(this.#requestTimeoutMs);
    const signal = stop === undefined ? deadline : AbortSignal.any([deadline, stop]);
    return await this.#counted(call, call.method.toLowerCase(), async () => {
      const response = await this.#send(call, 'calls', signal);
      return await answerOf(call, response);
    });
  }

  /** The body of a 200 answer that goes on for as long as the API server likes, until `ends` ends it. */
  async stream(call: KubeRequest, ends: AbortController): Promise<AsyncIterable<Buffer>> {
    const timer = setTimeout(
      () => ends.abort(new KubeError('TIMED_OUT', { ...callFacts(call), waitedMs: this.#requestTimeoutMs })),
      this.#requestTimeoutMs,
    );
    this.#streams.add(ends);
    try {
      const { response, answer } = await this.#counted(call, 'watch', async () => {
        const sent = await this.#send(call, 'watches', ends.signal);
        // A refusal has an end, and is read under the same deadline.
        const read = sent.statusCode === 200 ? undefined : await answerOf(call, sent);
        return { status: sent.statusCode, response: sent, answer: read };
      });
      if (answer !== undefined) {
        throw refusalOf(call, answer);
      }
      response.body.once('close', () => this.#streams.delete(ends));
      return response.body as AsyncIterable<Buffer>;
    } catch (error) {
      this.#streams.delete(ends);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whatever is still under way is past the budget of an orderly stop. */
  async close(): Promise<void> {
    this.#closed = true;
    // Those of agents that were retired too, which destroy() no longer reaches.
    for (const stream of this.#streams) {
      stream.abort(new KubeError('UNREACHABLE', { problem: 'the client is closed', sent: true }));
    }
    const agents = this.#agents;
    this.#agents = undefined;
    await Promise.all([agents?.calls.destroy(), agents?.watches.destroy()]);
  }

  async #counted<T extends { status: number }>(call: KubeRequest, verb: string, run: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let status = 'none';
    try {
      const result = await run();
      status = String(result.status);
      return result;
    } catch (error) {
      this.#credentials.readAgain();
      throw transportError(call, error);
    } finally {
      this.#onRequest({ verb, status });
      this.#logger?.debug({ ...callFacts(call), verb, status, ms: Math.round(performance.now() - startedAt) }, 'kubernetes call');
    }
  }

  async #send(call: KubeRequest, use: 'calls' | 'watches', signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const response = await this.#sendOnce(call, use, signal);
    if (response.statusCode !== 401) {
      return response;
    }
    await response.body.dump();
    this.#credentials.forget();
    return await this.#sendOnce(call, use, signal);
  }

  async #sendOnce(call: KubeRequest, use: 'calls' | 'watches', signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#credentials.current();
    const query = call.query === undefined ? '' : `?${new URLSearchParams(call.query).toString()}`;
    return await request(`${this.#target.server}${call.path}${query}`, {
      dispatcher: this.#agentsFor(credentials)[use],
      method: call.method,
      headers: {
        accept: 'application/json',
        'user-agent': 'couchestor',
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        ...credentials.headers,
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
      // The deadlines are ours, and a watch is silent for minutes at a time.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  #agentsFor(credentials: Credentials): Agents {
    if (this.#closed) {
      throw new KubeError('UNREACHABLE', { problem: 'the client is closed', sent: false });
    }
    if (this.#agents?.madeFor === credentials) {
      return this.#agents;
    }
    const tls = JSON.stringify(credentials.tls);
    if (this.#agents?.tls === tls) {
      this.#agents = { ...this.#agents, madeFor: credentials };
    } else {
      // close() waits for what is under way: a watch ends at its own timeout.
      void this.#agents?.calls.close();
      void this.#agents?.watches.close();
      this.#agents = {
        madeFor: credentials,
        tls,
        calls: this.#agent(credentials, connectionsMax),
        watches: this.#agent(credentials, watchesMax),
      };
    }
    return this.#agents;
  }

  #agent({ tls }: Credentials, connections: number): Dispatcher {
    // Half the deadline, so that an address that swallows packets is "unreachable, nothing sent".
    const connect = { ...tls, timeout: Math.ceil(this.#requestTimeoutMs / 2) };
    return this.#target.proxyUrl === undefined
      ? new Agent({ connections, connect })
      : new ProxyAgent({ uri: this.#target.proxyUrl, connections, requestTls: connect });
  }
}

async function answerOf(call: Call, response: Dispatcher.ResponseData): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      // Leaving the loop closes the connection.
      throw new KubeError('INVALID_ANSWER', { ...callFacts(call), problem: `larger than ${answerBytesMax} bytes` });
    }
    chunks.push(chunk);
  }
  const retryAfter = response.headers['retry-after'];
  return {
    status: response.statusCode,
    retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
