/** Asks Prometheus instant queries. Every call has a deadline, a limit on the answer's size, and ends in series or in a PrometheusError. */
import { describeError } from '@couchestor/shared/errors';
import { type Dispatcher, Pool } from 'undici';
import { PrometheusError } from '../errors.ts';
import { type QueryAnswer, readQueryAnswer } from './prometheus-answer.ts';

/** The vector of 20,000 volumes is about 3 MiB. */
const answerBytesMax = 64 * 1024 * 1024;
/** Prometheus works on 20 queries at a time for all of its users. */
const queriesInFlightMax = 4;

export class Prometheus {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  readonly #requestTimeoutMs: number;

  /** @param o.url may hold a path before `/api/v1`, and user and password */
  constructor(o: { url: string; requestTimeoutMs: number }) {
    const url = new URL(o.url);
    this.#path = `${url.pathname.replace(/\/+$/, '')}/api/v1/query`;
    this.#headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...authorization(url) };
    this.#requestTimeoutMs = o.requestTimeoutMs;
    // Queries beyond the limit wait in the pool for a free connection.
    this.#pool = new Pool(url.origin, { connections: queriesInFlightMax, pipelining: 1, connect: { timeout: o.requestTimeoutMs } });
  }

  /** The value of `promql` at one instant. */
  async query(o: { promql: string; atMs: number; toleranceMs: number; signal: AbortSignal }): Promise<QueryAnswer> {
    const form = new URLSearchParams({
      query: o.promql,
      time: (o.atMs / 1_000).toFixed(3),
      // So that Prometheus too stops working on what nobody waits for.
      timeout: `${this.#requestTimeoutMs}ms`,
      // Thanos: rather an error than a part of the data.
      partial_response: 'false',
    });
    return readQueryAnswer(await this.#post(form.toString(), o.signal), o);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #post(body: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: this.#headers,
        body,
        headersTimeout: this.#requestTimeoutMs,
        bodyTimeout: this.#requestTimeoutMs,
        signal,
      });
      // Waiting for a free connection does not count: with many windows it says nothing about Prometheus. So head and body have a
      // deadline each, the body as a whole, for one that drips would pass any limit on its pauses.
      return { status: response.statusCode, body: await readText(response.body, AbortSignal.timeout(this.#requestTimeoutMs)) };
    } catch (error) {
      throw PrometheusError.is(error) ? error : transportError(error);
    }
  }
}

async function readText(body: Dispatcher.ResponseData['body'], deadline: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void body.destroy(deadline.reason);
  deadline.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) {
        // Leaving the loop closes the connection.
        throw new PrometheusError('TOO_LARGE', { bytesMax: answerBytesMax });
      }
      chunks.push(chunk);
    }
  } finally {
    deadline.removeEventListener('abort', stop);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const timeoutCodes = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT']);

function transportError(error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const late = timeoutCodes.has(code) || (error instanceof Error && error.name === 'TimeoutError');
  return new PrometheusError(late ? 'TIMEOUT' : 'UNREACHABLE', { problem: describeError(error) || code }, { cause: error });
}

function authorization(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') {
    return {};
  }
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
