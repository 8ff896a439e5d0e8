/** The reads of Mayastor's REST API over real HTTP, from objects that the test changes as it likes. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Node, Pool, Volume } from '@couchestor/shared/mayastor/schema';
import { tiersFastestFirst } from '@couchestor/shared/tiers';
import { nodeOf, poolOf } from './fixtures.ts';

export interface FakeMayastor {
  readonly url: string;
  readonly volumes: Volume[];
  readonly pools: Pool[];
  readonly nodes: Node[];
  /** Answers 503 as its gateway does while the control plane is away. */
  down: boolean;
  stop(): Promise<void>;
}

const pageMax = 500;

export async function startFakeMayastor(): Promise<FakeMayastor> {
  const pools = tiersFastestFirst.flatMap((tier) => [1, 2, 3].map((node) => poolOf(tier, node)));
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://mayastor');
    if (fake.down) {
      response.writeHead(503).end();
    } else if (request.method !== 'GET') {
      answer(response, 404, { details: '', message: 'no such pool', kind: 'NotFound' });
    } else {
      answerRead(response, url, fake);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeMayastor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    volumes: [],
    pools,
    nodes: [1, 2, 3].map(nodeOf),
    down: false,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}

function answerRead(response: ServerResponse, url: URL, { volumes, pools, nodes }: FakeMayastor): void {
  const [, , kind, id] = url.pathname.split('/');
  if (kind === 'pools' || kind === 'nodes') {
    answer(response, 200, kind === 'pools' ? pools : nodes);
    return;
  }
  if (kind !== 'volumes') {
    response.writeHead(404).end();
    return;
  }
  if (id === undefined) {
    const start = Number(url.searchParams.get('starting_token') ?? 0);
    const end = start + Math.min(pageMax, Number(url.searchParams.get('max_entries')));
    answer(response, 200, { entries: volumes.slice(start, end), ...(end < volumes.length ? { next_token: end } : {}) });
    return;
  }
  const volume = volumes.find(({ spec }) => spec.uuid === id);
  answer(response, volume === undefined ? 404 : 200, volume ?? { details: '', message: 'no such volume', kind: 'NotFound' });
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
