/** A real HTTP server whose every answer a test dictates, down to hanging and closing the connection in mid-answer. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RudeRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type RudeAnswer =
  | { readonly kind: 'body'; readonly status: number; readonly body: string; readonly contentType?: string }
  /** Accepts the request and never answers. */
  | { readonly kind: 'hang' }
  /** Sends the head and this part of the body, then nothing more. */
  | { readonly kind: 'stall'; readonly body: string }
  /** Sends a space at a time, for as long as the client listens. */
  | { readonly kind: 'drip'; readonly intervalMs: number }
  /** Announces a longer body than it sends, then closes the connection. */
  | { readonly kind: 'cut'; readonly body: string }
  /** Closes the connection instead of answering. */
  | { readonly kind: 'close' };

export interface RudeHttpServer {
  readonly url: string;
  /** Everything that was asked, oldest first. */
  readonly requests: RudeRequest[];
  answerWith(answer: (request: RudeRequest) => RudeAnswer): void;
  close(): Promise<void>;
}

/** Listens on a free loopback port (or the given one) and answers 500 until told otherwise. */
export async function startRudeHttpServer(o: { port?: number } = {}): Promise<RudeHttpServer> {
  let answer: (request: RudeRequest) => RudeAnswer = () => ({ kind: 'body', status: 500, body: '' });
  const requests: RudeRequest[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const heard = { method: request.method ?? '', url: new URL(request.url ?? '/', 'http://rude'), headers: request.headers, body };
      requests.push(heard);
      give(response, answer(heard));
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(o.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answerWith: (next) => {
      answer = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A JSON answer. */
export function jsonAnswer(value: unknown, status = 200): RudeAnswer {
  return { kind: 'body', status, body: JSON.stringify(value), contentType: 'application/json' };
}

function give(response: ServerResponse, answer: RudeAnswer): void {
  switch (answer.kind) {
    case 'body':
      response.writeHead(answer.status, { 'content-type': answer.contentType ?? 'text/plain' }).end(answer.body);
      return;
    case 'hang':
      return;
    case 'stall':
      response.writeHead(200, { 'content-type': 'application/json' }).write(answer.body);
      return;
    case 'drip': {
      response.writeHead(200, { 'content-type': 'application/json' }).write(' ');
      const timer = setInterval(() => response.write(' '), answer.intervalMs);
      response.once('close', () => clearInterval(timer));
      return;
    }
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer.body) + 1_000 });
      response.write(answer.body, () => response.destroy());
      return;
    case 'close':
      response.destroy();
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
