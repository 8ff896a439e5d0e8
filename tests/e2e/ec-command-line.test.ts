/** `couchestor ec` and `couchestor store` at a real vault: what is printed, as text and as JSON, exit codes, and what cures an error. In order. */
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dispatch } from '@couchestor/cli/dispatch';
import { painter } from '@couchestor/cli/terminal/ansi';
import {
  driveStatusSchema,
  operationResultSchema,
  vaultStatusSchema,
  volumeDetailSchema,
  volumeInfoSchema,
} from '@couchestor/shared/contracts/vault';
import { drivesAnswer, operationsAnswer, volumesAnswer } from '@couchestor/shared/contracts/vault-requests';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { couchestor } from './couchestor.ts';
import { runClient } from './ec/run-client.ts';
import { policyName, VaultProcess } from './ec/vault-process.ts';

const mebibyte = 2 ** 20;
const startTimeoutMs = 60_000;
const testTimeoutMs = 60_000;

let vault: VaultProcess;
let image: string;
let copy: string;

beforeAll(async () => {
  vault = await VaultProcess.start({ drives: 7 });
  image = join(vault.dir, 'image');
  copy = join(vault.dir, 'copy');
  await writeFile(image, randomBytes(8 * mebibyte));
}, startTimeoutMs);

afterAll(async () => {
  await vault.remove();
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As the command does it, in this process: starting a program anew for each word would take most of the test's time. */
async function run(...args: string[]): Promise<Ended> {
  const out: string[] = [];
  const notes: string[] = [];
  const code = await dispatch({
    argv: [...args, '--data-dir', vault.dataDir],
    env: { HOME: process.env['HOME'], XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] },
    output: {
      paint: painter(false),
      columns: 200,
      print: (line) => void out.push(`${line}\n`),
      note: (line) => void notes.push(`${line}\n`),
    },
  });
  return { code, stdout: out.join(''), stderr: notes.join('') };
}

const ec = (...args: string[]): Promise<Ended> => run('ec', ...args);

/** What it prints, of a command that succeeds. */
async function text(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stderr }, args.join(' ')).toMatchObject({ code: 0 });
  expect(stdout).not.toContain('\u001b');
  return stdout;
}

async function json(...args: string[]): Promise<unknown> {
  return JSON.parse(await text(...args, '--json'));
}

async function holdsImage(name: string): Promise<boolean> {
  await rm(copy, { force: true });
  await runClient('nbdcopy', [vault.uri(name), copy]);
  return (await readFile(copy)).equals(await readFile(image));
}

describe('couchestor ec volume', () => {
  it('makes, lists and shows volumes', async () => {
    expect(await text('ec', 'volume', 'create', 'data', '8MiB')).toBe('data: 8.0 MiB, thin: it takes space as it is written.\n');
    await runClient('nbdcopy', [image, vault.uri('data')]);
    expect(volumesAnswer.parse(await json('ec', 'volume', 'list')).volumes).toMatchObject([{ name: 'data', sizeBytes: 8 * mebibyte }]);
    expect(await text('ec', 'volume', 'list')).toMatch(/^VOLUME +SIZE +MAPPED +HEALTH +SNAPSHOTS\ndata +8\.0 MiB +8\.0 MiB +healthy/);
    expect(await text('ec', 'volume', 'show', 'data')).toMatch(/^data .*\nsize +8\.0 MiB, 8\.0 MiB mapped[\s\S]*health +healthy[\s\S]*█/);
    const shown = volumeDetailSchema.parse(await json('ec', 'volume', 'show', 'data'));
    expect(new Set(shown.map)).toEqual(new Set(['healthy']));
  });

  it('grows one at once, and shrinks it only by force', async () => {
    expect(await text('ec', 'volume', 'resize', 'data', '16MiB')).toBe('data: 16.0 MiB now.\n');
    const refused = await ec('volume', 'resize', 'data', '8MiB');
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('--force') });
    expect(volumeInfoSchema.parse(await json('ec', 'volume', 'resize', 'data', '8MiB', '--force')).sizeBytes).toBe(8 * mebibyte);
  });

  it('makes snapshots and clones, and deletes them again', async () => {
    expect(await text('ec', 'volume', 'snapshot', 'data', 'monday')).toMatch(/^data@monday: as of \d{4}-/);
    await runClient('qemu-io', ['-f', 'raw', '-c', 'write -P 1 0 64k', vault.uri('data')]);
    expect(await holdsImage('data')).toBe(false);
    expect(await holdsImage('data@monday')).toBe(true);
    expect(await text('ec', 'volume', 'clone', 'data@monday', 'twin')).toMatch(/^twin: 8\.0 MiB, a writable copy of data@monday/);
    expect(await holdsImage('twin')).toBe(true);
    const inUse = await ec('volume', 'delete', 'data');
    expect(inUse).toMatchObject({ code: 1, stderr: expect.stringMatching(/snapshot/) });
    expect(await text('ec', 'volume', 'delete', 'data@monday')).toBe('data@monday: deleted.\n');
    expect(await json('ec', 'volume', 'delete', 'data')).toEqual({ deleted: 'data' });
    expect(await holdsImage('twin')).toBe(true);
  });

  it.each([
    [['create', 'twin', '1GiB'], 1, /taken/],
    [['create', 'new', '1000'], 2, /multiple of 4 KiB/],
    [['create', 'new'], 2, /<size> is missing/],
    [['show', 'nowhere'], 1, /couchestor ec volume list/],
    [['clone', 'twin@never', 'x'], 1, /couchestor ec volume list/],
  ])('%j ends with %d and says what to do', async (args, code, cure) => {
    const ended = await ec('volume', ...args);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(cure) });
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });
});

describe('couchestor ec drive', () => {
  it('lists, adds and fails drives', async () => {
    expect(drivesAnswer.parse(await json('ec', 'drive', 'list')).drives).toHaveLength(7);
    const added = join(vault.root, 'drive-8');
    expect(await text('ec', 'drive', 'add', `${added},disk=disk-8`)).toBe(`drive 8: ${added} takes part from now on.\n`);
    expect(driveStatusSchema.parse(await json('ec', 'drive', 'fail', '1'))).toMatchObject({ number: 1, state: 'failed' });
    expect(await text('ec', 'drive', 'fail', vault.drivePath(2))).toMatch(/^drive 2: failed\. /);
    expect(await text('ec', 'drive', 'list')).toMatch(/1 +failed .*\/drive-1 \(told to fail\)/);
    expect(await holdsImage('twin')).toBe(true);
    expect(await text('ec', 'status')).toMatch(/^degraded[\s\S]*Drive 1 \(.*drive-1\) is failed, 2 /);
  });

  it(
    'replaces and drains, and waits until it is done',
    async () => {
      const result = operationResultSchema.parse(await json('ec', 'drive', 'replace', '1', `${join(vault.root, 'drive-9')},disk=disk-9`));
      expect(result.stripesLost ?? 0).toBe(0);
      // Another disk in the same place.
      await rm(vault.drivePath(2), { recursive: true });
      expect(await text('ec', 'drive', 'replace', '2', vault.drivePath(2))).toMatch(/\n$/);
      await vault.untilHealthy();
      expect(await text('ec', 'drive', 'drain', '3')).toMatch(/\n$/);
      const { drives } = drivesAnswer.parse(await json('ec', 'drive', 'list'));
      expect(drives.map(({ number }) => number)).toEqual([4, 5, 6, 7, 8, 9, 10]);
      await rm(vault.drivePath(3), { recursive: true });
      expect(await holdsImage('twin')).toBe(true);
    },
    testTimeoutMs,
  );

  it.each([
    [['fail', '99'], 1, /couchestor ec drive list/],
    [['drain', 'x'], 2, /not the number of a drive/],
    [['add', '/proc'], 1, /empty|drive/i],
  ])('%j ends with %d and says what to do', async (args, code, cure) => {
    const ended = await ec('drive', ...args);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(cure) });
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  });

  it('refuses to drain a drive that stripes cannot do without, and tells what would help', async () => {
    await ec('drive', 'drain', '10');
    expect(await ec('drive', 'drain', '9')).toMatchObject({ code: 1, stderr: expect.stringMatching(/Add a drive first/) });
  });
});

describe('the whole vault', () => {
  it(
    'is scrubbed, rebuilt and verified',
    async () => {
      for (const what of ['scrub', 'rebuild', 'verify']) {
        const result = operationResultSchema.parse(await json('ec', what));
        expect(result.errorsFound ?? 0, what).toBe(0);
        expect(await text('ec', what), what).toMatch(/^[A-Z0-9].*\.\n$/);
      }
      const { operations } = operationsAnswer.parse(await json('ec', 'operations'));
      expect(operations[0]).toMatchObject({ kind: 'verify', phase: 'done' });
    },
    testTimeoutMs,
  );

  it('is asked by the program itself, whose output and exit code scripts go by', async () => {
    const at = ['--data-dir', vault.dataDir];
    const listed = await couchestor(['ec', 'volume', 'list', '--json', ...at]);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(volumesAnswer.parse(JSON.parse(listed.stdout)).volumes.map(({ name }) => name)).toEqual(['twin']);
    expect(await couchestor(['ec', 'verify', ...at])).toMatchObject({ code: 0, stdout: expect.stringMatching(/can be read/) });
    expect(await couchestor(['ec', 'volume', 'show', 'nowhere', ...at])).toMatchObject({ code: 1, stdout: '' });
  });

  it('tells how it is', async () => {
    const status = vaultStatusSchema.parse(await json('ec', 'status'));
    expect(status).toMatchObject({ phase: 'ready', volumes: 1, policy: { name: policyName } });
    expect(await text('ec', 'status')).toMatch(/^ready +vault [0-9a-f-]+\nsurvives any 2 of 6 drives/);
  });

  it(
    'is backed up while it is served, restored when it is not, and made anew from its drives',
    async () => {
      const backup = join(vault.dir, 'backup');
      expect(operationResultSchema.parse(await json('store', 'backup', backup)).message).toContain(backup);
      expect((await stat(join(backup, 'policy.json'))).isFile()).toBe(true);
      const drives = (await vault.client.listDrives()).flatMap(({ path }) => ['--drive', path]);
      const places = [...drives, '--journal', vault.journalPath(1)];
      const served = await ec('reindex', ...places);
      expect(served).toMatchObject({ code: 1, stderr: expect.stringContaining(String(vault.pid)) });
      expect(await run('store', 'restore', backup)).toMatchObject({ code: 1, stderr: expect.stringContaining(String(vault.pid)) });
      await vault.stop();
      const gone = await ec('status');
      expect(gone).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('couchestor ec serve') });

      expect(await run('store', 'restore', backup)).toMatchObject({ code: 1, stderr: expect.stringContaining('--replace') });
      expect(await text('store', 'restore', backup, '--replace')).toMatch(/\.\n$/);
      await vault.serve();
      expect(await holdsImage('twin')).toBe(true);
      await vault.stop();

      await rm(join(vault.dataDir, 'index'), { recursive: true });
      const remade = operationResultSchema.parse(await json('ec', 'reindex', ...places));
      expect(remade).toMatchObject({ stripesLost: 0 });
      await vault.serve();
      await vault.untilHealthy();
      expect(await holdsImage('twin')).toBe(true);
      expect(await text('ec', 'volume', 'list')).toMatch(/\ntwin +8\.0 MiB +8\.0 MiB +healthy/);
    },
    testTimeoutMs,
  );
});
