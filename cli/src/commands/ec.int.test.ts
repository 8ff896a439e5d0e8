/** `couchestor ec` and `store backup` at the API of a vault in memory. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApi } from '@couchestor/ec-encoder/handlers/api';
import { Operations } from '@couchestor/ec-encoder/handlers/operations';
import { FakeVault } from '@couchestor/ec-encoder/vault/fake-vault.fixture';
import type { VaultStatus, VolumeInfo } from '@couchestor/shared/contracts/vault';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dispatch } from '../dispatch.ts';
import { painter } from '../terminal/ansi.ts';

const logger = quietLogger();
let folder: string;
let vault: FakeVault;
let operations: Operations;
let closing: (() => Promise<void>)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-ec-'));
  vault = new FakeVault();
  operations = new Operations({ now: Date.now, logger });
  const api = await startApi({ vault, operations, listen: { unixPath: join(folder, 'api.sock') }, logger });
  closing = [() => api.close()];
});

afterEach(async () => {
  for (const close of closing) {
    await close();
  }
  await rm(folder, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
  json<T>(): T;
}

async function run(argv: readonly string[], o: { env?: NodeJS.ProcessEnv; drawn?: string[] } = {}): Promise<Ran> {
  const out: string[] = [];
  const notes: string[] = [];
  const { drawn } = o;
  const code = await dispatch({
    argv,
    env: o.env ?? { EC_DATA_DIR: folder },
    output: {
      paint: painter(false),
      columns: 100,
      print: (line) => out.push(line),
      note: (line) => notes.push(line),
      ...(drawn === undefined ? {} : { redraw: (line: string) => void drawn.push(line) }),
    },
  });
  return { code, out: out.join('\n'), notes: notes.join('\n'), json: () => JSON.parse(out.join('\n')) };
}

const ec = (...argv: string[]) => run(['ec', ...argv]);

describe('couchestor ec volume', () => {
  it('makes, lists, resizes, snapshots, clones and deletes', async () => {
    expect(await ec('volume', 'create', 'data', '10GiB')).toMatchObject({
      code: 0,
      out: 'data: 10.0 GiB, thin: it takes space as it is written.',
    });
    expect(await ec('volume', 'resize', 'data', '20GiB')).toMatchObject({ code: 0, out: 'data: 20.0 GiB now.' });
    expect((await ec('volume', 'snapshot', 'data', 'monday')).out).toMatch(/^data@monday: as of/);
    expect((await ec('volume', 'clone', 'data@monday', 'copy')).out).toBe('copy: 20.0 GiB, a writable copy of data@monday.');
    const { out } = await ec('volume', 'list');
    expect(out).toMatch(/VOLUME +SIZE +MAPPED +HEALTH +SNAPSHOTS\ndata +20\.0 GiB +0 B +healthy +monday\ncopy/);
    expect((await ec('volume', 'delete', 'data')).code).toBe(1);
    expect((await ec('volume', 'delete', 'data@monday')).out).toBe('data@monday: deleted.');
    expect((await ec('volume', 'delete', 'data')).code).toBe(0);
    expect((await ec('volume', 'list', '--json')).json<{ volumes: VolumeInfo[] }>().volumes.map(({ name }) => name)).toEqual(['copy']);
  });

  it('draws the health of one as a map with a legend', async () => {
    await ec('volume', 'create', 'data', '10GiB');
    const { out } = await ec('volume', 'show', 'data');
    expect(out).toContain('0 B █▒▓✗·');
    expect(out).toContain('· never written  ▒ in the journal  █ healthy  ▓ degraded  ✗ lost');
  });

  it.each([
    [['create', 'data'], 2, /<size> is missing: couchestor ec volume create <name> <size>/],
    [['create', 'data', '10GB'], 2, /may mean two sizes: write 10GiB/],
    [['create', 'a/b', '1GiB'], 1, /a name has 1 to 128 letters/],
    [['clone', 'data', 'copy'], 2, /write data@<snapshot>/],
    [['show', 'nowhere'], 1, /There is no volume or snapshot of this name.*\n +volume: nowhere/],
    [['crate', 'data', '1GiB'], 2, /did you mean create\?/],
    [['list', 'more'], 2, /"more" is not expected here/],
  ])('%j ends with %d and says what is wrong', async (argv, code, why) => {
    const ran = await ec('volume', ...argv);
    expect(ran.notes).toMatch(why);
    expect(ran.code).toBe(code);
  });
});

describe('couchestor ec drive', () => {
  it('lists, adds and fails', async () => {
    expect((await ec('drive', 'add', '/drives/7,zone=east')).out).toBe('drive 7: /drives/7 takes part from now on.');
    expect((await ec('drive', 'fail', '7')).out).toMatch(/^drive 7: failed/);
    expect((await ec('drive', 'list')).out).toMatch(/7 +failed .*east\/n\/p\/8:1 +\/drives\/7 \(told to fail\)/);
    expect((await ec('drive', 'fail', 'seven')).notes).toMatch(/"seven" is not the number of a drive/);
  });

  it('waits for what a drained or replaced drive held', async () => {
    expect((await ec('drive', 'drain', '1')).out).toBe('drain 1: all is well');
    expect((await ec('drive', 'replace', '2', '/drives/new')).out).toBe('replace 2 by /drives/new: all is well');
  });
});

describe('operations', () => {
  it('are drawn as a bar in a terminal, and told by their end alone in a pipe', async () => {
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    vault.duringOperation = () => held;
    const drawn: string[] = [];
    const running = run(['ec', 'scrub'], { drawn });
    await waitUntil(() => drawn.some((line) => /^scrub █+░+ 50 % {2}50 of 100 stripes, .* left$/.test(line)));
    goOn();
    const { code, out } = await running;
    expect({ code, out }).toEqual({ code: 0, out: 'scrub: all is well' });
    expect(drawn.at(-1)).toBe('');
    expect((await ec('verify', '--json')).json()).toEqual({ message: 'verify: all is well', stripesChecked: 100 });
  });

  it('end with 1 and the cure where they fail, and can be cancelled', async () => {
    vault.duringOperation = ({ signal }) => once(signal, 'abort').then(() => undefined);
    const running = ec('rebuild');
    await waitUntil(() => vault.calls.includes('rebuild'));
    const [{ id } = { id: '' }] = operations.list();
    expect((await ec('cancel', id)).out).toBe('rebuild: is being cancelled.');
    const { code, notes } = await running;
    expect(code).toBe(1);
    expect(notes).toMatch(/The operation was cancelled\. What it had done by then stands/);
    expect((await ec('operations')).out).toMatch(/cancelled/);
  });

  it('back up to a folder that is named whole', async () => {
    expect((await run(['store', 'backup', '/backups/today'])).out).toBe('backup to /backups/today: all is well');
    expect((await run(['store', 'backup'])).notes).toMatch(/<folder> is missing/);
  });
});

describe('couchestor ec status', () => {
  it('tells what failures are survived, and what is wrong', async () => {
    vault.overrides = {
      phase: 'degraded',
      conditions: [{ type: 'Degraded', status: 'True', reason: 'OneDisk', message: 'All drives are on one disk.' }],
      stripes: { total: 9_000, healthy: 8_998, degraded: 2, rebuilding: 1, lost: 0 },
      rebuild: { isRunning: true, stripesLeft: 2, stripesDone: 6, bytesPerSecond: 2 ** 20, etaSeconds: 61 },
    };
    const { code, out } = await ec('status');
    expect(code).toBe(0);
    expect(out).toMatch(/^degraded {2}vault v-1\nsurvives any 2 of 6 drives\n! Degraded: All drives are on one disk\./);
    expect(out).toContain('9,000: 2 degraded, 1 being rebuilt');
    expect(out).toContain('2 stripes left, 1.0 MiB/s, 1m 1s left');
    expect((await ec('status', '--json')).json<VaultStatus>()).toEqual(vault.status());
  });

  it('says which vault is meant, and how to start one, where none answers', async () => {
    const elsewhere = { EC_DATA_DIR: join(folder, 'none') };
    const { code, notes } = await run(['ec', 'status'], { env: elsewhere });
    expect(code).toBe(1);
    expect(notes).toMatch(/couchestor ec serve/);
    expect(notes).toContain(join(folder, 'none', 'api.sock'));
    expect((await run(['ec', 'status'], { env: { XDG_STATE_HOME: folder } })).notes).toMatch(/which vault\?/);
  });

  it('asks a vault on another machine with its token', async () => {
    const token = 'a-token-of-some-length';
    const file = join(folder, 'token');
    await writeFile(file, `${token}\n`);
    const listen = { host: '127.0.0.1', port: 0, token: async () => token };
    const api = await startApi({ vault, operations, listen, logger });
    closing.push(() => api.close());
    expect((await run(['ec', 'status', '--api-url', api.address, '--api-token-file', file], { env: {} })).code).toBe(0);
    expect((await run(['ec', 'status', '--api-url', api.address], { env: {} })).notes).toMatch(/--api-token-file/);
  });
});

it('tells its commands, and what was meant by a word that is none', async () => {
  expect((await run(['ec'])).out).toMatch(/COMMANDS:\n {2}serve/);
  expect((await ec('volume', '--help')).out).toContain('couchestor ec volume create <name> <size> [options]');
  expect(await ec('statsu')).toMatchObject({ code: 2, notes: expect.stringMatching(/did you mean status\?/) });
});
