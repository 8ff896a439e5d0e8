/** Finding Mayastor, and speaking to it by TLS and with a token: over real sockets. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../logger.ts';
import { jsonAnswer, type RudeAnswer, type RudeHttpServer, startRudeHttpServer } from '../testing/rude-http-server.ts';
import { MayastorClient } from './client.ts';
import { discoverMayastor, type MayastorPlace, mayastorCandidates, openMayastor } from './discover.ts';

const nowhere: MayastorPlace = {
  mayastorUrl: undefined,
  mayastorNamespace: 'mayastor',
  mayastorCaFile: undefined,
  mayastorTokenFile: undefined,
};
const refusing = 'http://127.0.0.1:1';
const node = { id: 'n1', spec: { id: 'n1' }, state: { id: 'n1', status: 'Online' } };

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'couchestor-discover-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the addresses', () => {
  it('are the one that is configured, and no other', () => {
    expect(mayastorCandidates({ ...nowhere, mayastorUrl: 'http://here:1' })).toEqual(['http://here:1']);
  });

  it('are both names of the service, in the namespace given and then in openebs', () => {
    expect(mayastorCandidates(nowhere)).toEqual([
      'http://openebs-api-rest.mayastor.svc.cluster.local:8081',
      'http://mayastor-api-rest.mayastor.svc.cluster.local:8081',
      'http://openebs-api-rest.openebs.svc.cluster.local:8081',
      'http://mayastor-api-rest.openebs.svc.cluster.local:8081',
    ]);
  });

  it('name no namespace twice, and with a CA are those of TLS alone', () => {
    expect(mayastorCandidates({ ...nowhere, mayastorNamespace: 'openebs', mayastorCaFile: 'ca.pem' })).toEqual([
      'https://openebs-api-rest.openebs.svc.cluster.local:8080',
      'https://mayastor-api-rest.openebs.svc.cluster.local:8080',
    ]);
  });
});

describe('looking for it', () => {
  let servers: RudeHttpServer[];

  beforeEach(async () => {
    servers = [await startRudeHttpServer(), await startRudeHttpServer()];
  });

  afterEach(() => Promise.all(servers.map((server) => server.close())));

  const look = (candidates: readonly string[], timeoutMs = 400) => discoverMayastor(nowhere, { timeoutMs, candidates });

  it('takes the first in order that answers, and says what came of those before', async () => {
    const [first, second] = servers;
    first?.answerWith(() => jsonAnswer([node]));
    second?.answerWith(() => jsonAnswer([]));
    const found = await look([refusing, first?.url ?? '', second?.url ?? '']);
    expect(found.url).toBe(first?.url);
    expect(found.tried).toEqual([
      { url: refusing, problem: expect.stringContaining('ECONNREFUSED') },
      { url: first?.url, problem: undefined },
    ]);
  });

  it('waits for one that is slow only as long as its deadline', async () => {
    const [silent, second] = servers;
    silent?.answerWith(() => ({ kind: 'hang' }));
    second?.answerWith(() => jsonAnswer([]));
    expect((await look([silent?.url ?? '', second?.url ?? ''])).url).toBe(second?.url);
  });

  it.each<[string, RudeAnswer, boolean]>([
    ['a refusal in its own words', jsonAnswer({ details: 'core agent is away', message: '', kind: 'Unavailable' }, 503), true],
    ['a wish for a token', { kind: 'body', status: 401, body: '' }, true],
    ['a page of something else', { kind: 'body', status: 200, body: '<html>Welcome</html>' }, false],
    ['an unknown route', { kind: 'body', status: 404, body: '' }, false],
    ['an empty 503 of a proxy', { kind: 'body', status: 503, body: '' }, false],
  ])('takes %s for what it is', async (_what, answer, isMayastor) => {
    const [first, second] = servers;
    first?.answerWith(() => answer);
    second?.answerWith(() => jsonAnswer([]));
    expect((await look([first?.url ?? '', second?.url ?? ''])).url).toBe(isMayastor ? first?.url : second?.url);
  });

  it('names everything that was tried where nothing is Mayastor', async () => {
    const [first] = servers;
    first?.answerWith(() => ({ kind: 'body', status: 200, body: 'hello' }));
    await expect(look([refusing, first?.url ?? ''])).rejects.toThrow(
      new RegExp(`MAYASTOR_UNREACHABLE.*tried=${refusing}: .*ECONNREFUSED.*${first?.url}: not JSON`),
    );
  });

  it('by a client happens at the first call, is told as that call not sent, and begins again with the next', async () => {
    const place = { ...nowhere, mayastorNamespace: 'no-such-namespace' };
    const client = openMayastor(place, { requestTimeoutMs: 4_000 });
    const change = () => client.cordonNode('n1', 'label');
    await expect(change()).rejects.toThrow(/MAYASTOR_UNREACHABLE.*openebs-api-rest\.no-such-namespace.*mayastor-api-rest\.openebs/);
    await expect(change()).rejects.toThrow(/MAYASTOR_UNREACHABLE/);
    await client.close();
    await expect(change()).rejects.toThrow(/MAYASTOR_UNREACHABLE.*closed/);

    let places = 0;
    const [first] = servers;
    first?.answerWith(() => jsonAnswer([node]));
    const located = new MayastorClient({
      requestTimeoutMs: 1_000,
      url: async () => {
        places += 1;
        if (places === 1) {
          throw new Error('not yet');
        }
        return first?.url ?? '';
      },
    });
    await expect(located.listNodes()).rejects.toThrow(/not yet/);
    expect(await Promise.all([located.listNodes(), located.listNodes()])).toHaveLength(2);
    expect(places).toBe(2);
    await located.close();
  });
});

describe('the token', () => {
  it('is read for each call, so that a new one is taken up, and appears in no log and no error', async () => {
    const server = await startRudeHttpServer();
    server.answerWith(() => jsonAnswer([node]));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'first-token\n');
    const lines: string[] = [];
    const logger = createLogger({ name: 'test', level: 'debug', json: true, to: { write: (line) => void lines.push(line) } });
    const client = openMayastor({ ...nowhere, mayastorUrl: server.url, mayastorTokenFile: tokenFile }, { requestTimeoutMs: 1_000, logger });
    await client.listNodes();
    writeFileSync(tokenFile, 'second-token');
    await client.listNodes();
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer first-token', 'Bearer second-token']);

    for (const [text, problem] of [
      ['', 'the file is empty'],
      ['two\ntokens-here', 'more than one token'],
    ] as const) {
      writeFileSync(tokenFile, text);
      const error = await client.listNodes().catch(String);
      expect(error).toContain(problem);
      expect(error).not.toContain('tokens-here');
    }
    rmSync(tokenFile);
    await expect(client.cordonNode('n1', 'label')).rejects.toThrow(/MAYASTOR_UNREACHABLE.*--mayastor-token-file.*ENOENT/);
    expect(server.requests).toHaveLength(2);
    expect(lines.join('')).toContain('without TLS');
    expect(lines.join('')).not.toMatch(/first-token|second-token|tokens-here/);
    await client.close();
    await server.close();
  });
});

describe('TLS', () => {
  let server: Server;
  let url: string;
  const seen: IncomingMessage[] = [];
  const file = (name: string) => join(folder, name);

  beforeAll(async () => {
    for (const name of ['right', 'wrong']) {
      const made = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-subj', `/CN=${name}`, '-days', '2'];
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync('openssl', ['req', '-x509', ...kind, ...made], { stdio: 'ignore' });
    }
    server = createServer({ key: readFileSync(file('right.key')), cert: readFileSync(file('right.pem')) }, (request, response) => {
      seen.push(request);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify([node]));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const clientWith = (caFile: string | undefined) =>
    openMayastor({ ...nowhere, mayastorUrl: url, mayastorCaFile: caFile }, { requestTimeoutMs: 2_000 });

  it('trusts the authority that is named, and is found by it', async () => {
    const client = clientWith(file('right.pem'));
    expect(await client.listNodes()).toHaveLength(1);
    await client.close();
    const found = await discoverMayastor({ ...nowhere, mayastorCaFile: file('right.pem') }, { timeoutMs: 1_000, candidates: [url] });
    expect(found.url).toBe(url);
  });

  it.each([
    ['another one', 'wrong.pem', /certificate/],
    ['a file that is not there', 'missing.pem', /ENOENT/],
    ['none', undefined, /certificate/],
  ])('refuses the server with %s, before anything is sent', async (_what, name, problem) => {
    const before = seen.length;
    const client = clientWith(name && file(name));
    await expect(client.listNodes()).rejects.toThrow(problem);
    expect(seen).toHaveLength(before);
    await client.close();
  });
});
