/** Node with files that fail: what it is told by the C library is what a disk in trouble would make it tell. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FaultControl, faultsEnv } from './run-with-faults.ts';

interface Answer {
  readonly id: string;
  readonly result?: unknown;
  readonly code?: string;
}

let home = '';
let root = '';
let control: FaultControl;
let child: ChildProcess;
const answers = new Map<string, Answer>();
let count = 0;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'couchestor-faults-'));
  root = join(home, 'root');
  control = await FaultControl.create(join(home, 'control'));
  const env = await faultsEnv({ root, control: control.path });
  child = fork(fileURLToPath(new URL('file-worker.fixture.mjs', import.meta.url)), { env: { ...process.env, ...env }, execArgv: [] });
  child.on('message', (answer: Answer) => answers.set(answer.id, answer));
  await waitUntil(() => answers.has('ready'));
});
afterAll(async () => {
  child.kill('SIGKILL');
  await once(child, 'exit');
  await rm(home, { recursive: true, force: true });
});

beforeEach(async () => {
  await control.set([]);
  for (const drive of ['a', 'b', 'ab']) {
    await mkdir(join(root, drive), { recursive: true });
    await writeFile(join(root, drive, 'file'), 'before');
  }
  // Seen by the child, whatever the faults of the test before were.
  await waitUntil(async () => (await outcome({ deed: 'sync', path: file('a') })) === 'done');
});

function file(drive: string, name = 'file'): string {
  return join(root, drive, name);
}

function begin(deed: object): string {
  count += 1;
  child.send({ ...deed, id: String(count) });
  return String(count);
}

async function outcome(deed: object): Promise<unknown> {
  const id = begin(deed);
  await waitUntil(() => answers.has(id));
  return answers.get(id)?.code ?? answers.get(id)?.result;
}

/** Tells faults, and waits until the child has seen them: the last line is there to be seen. */
async function tell(...lines: string[]): Promise<void> {
  await control.set([...lines, `eio-read ${join(root, 'ab')}`]);
  await waitUntil(async () => (await outcome({ deed: 'read', path: file('ab') })) === 'EIO');
}

test('a drive that hangs stops its callers only, until it answers again', async () => {
  await tell(`hang ${join(root, 'a')}`);
  const hanging = begin({ deed: 'write', path: file('a'), text: 'later!' });
  expect(await outcome({ deed: 'write', path: file('b'), text: 'AT ONCE' })).toBe(7);
  expect(await outcome({ deed: 'read', path: file('b') })).toBe('AT ONCE');
  expect(answers.has(hanging)).toBe(false);
  expect(await readFile(file('a'), 'utf8')).toBe('before');
  await control.set([]);
  await waitUntil(() => answers.has(hanging));
  expect(await readFile(file('a'), 'utf8')).toBe('later!');
});

test('reads, writes and syncs fail one by one, and nothing was done by what failed', async () => {
  await tell(`eio-read ${file('a')}`, `eio-write ${file('b')}`);
  expect(await outcome({ deed: 'read', path: file('a') })).toBe('EIO');
  expect(await outcome({ deed: 'write', path: file('a'), text: 'AFTER.' })).toBe(6);
  expect(await outcome({ deed: 'write', path: file('b'), text: 'AFTER.' })).toBe('EIO');
  expect(await outcome({ deed: 'writeParts', path: file('b'), parts: ['AF', 'TER.'] })).toBe('EIO');
  expect(await outcome({ deed: 'read', path: file('b') })).toBe('before');
  await tell(`eio-sync ${root}`);
  expect(await outcome({ deed: 'write', path: file('b'), text: 'AFTER.' })).toBe(6);
  expect(await outcome({ deed: 'sync', path: file('b') })).toBe('EIO');
});

test('a full disk takes what needs no new space, and removes', async () => {
  await tell(`enospc ${join(root, 'a')}`);
  expect(await outcome({ deed: 'write', path: file('a'), text: 'AFTER.' })).toBe(6);
  expect(await outcome({ deed: 'write', path: file('a'), text: 'more', position: 6 })).toBe('ENOSPC');
  expect(await outcome({ deed: 'create', path: file('a', 'new'), text: 'x' })).toBe('ENOSPC');
  expect(await outcome({ deed: 'read', path: file('a') })).toBe('AFTER.');
  expect(await outcome({ deed: 'room', path: join(root, 'a') })).toEqual([expect.any(Number), 0]);
  expect(await outcome({ deed: 'room', path: join(root, 'b') })).not.toEqual([expect.any(Number), 0]);
  expect(await outcome({ deed: 'unlink', path: file('a') })).toBe('done');
  expect(await outcome({ deed: 'create', path: file('b', 'new'), text: 'x' })).toBe(1);
  expect(await outcome({ deed: 'unlink', path: file('b', 'new') })).toBe('done');
});

test('a disk is as small as it is told to be, and what is on it takes its room', async () => {
  await tell(`room 7MiB ${join(root, 'a')}`);
  const [size, free] = (await outcome({ deed: 'room', path: join(root, 'a') })) as [number, number];
  expect(size).toBe(7);
  expect(free).toBeGreaterThan(6.9);
  expect(await outcome({ deed: 'write', path: file('a'), text: 'x'.repeat(1_048_576) })).toBe(1_048_576);
  expect(await outcome({ deed: 'room', path: join(root, 'a') })).toEqual([7, free - 1 + 4_096 / 1_048_576]);
});

test('a disk that turned read-only reads and does nothing else', async () => {
  await tell(`erofs ${join(root, 'a')}`);
  expect(await outcome({ deed: 'read', path: file('a') })).toBe('before');
  for (const deed of [
    { deed: 'write', text: 'x', path: file('a') },
    { deed: 'unlink', path: file('a') },
    { deed: 'create', text: 'x', path: file('a', 'new') },
  ]) {
    expect(await outcome(deed)).toBe('EROFS');
  }
});

test('what is slow is done, later than what is asked after it of another drive', async () => {
  await tell(`slow-write 3000ms ${join(root, 'a')}`);
  const slow = begin({ deed: 'write', path: file('a'), text: 'AFTER.' });
  expect(await outcome({ deed: 'write', path: file('b'), text: 'AFTER.' })).toBe(6);
  expect(answers.has(slow)).toBe(false);
  await waitUntil(() => answers.has(slow));
  expect(await readFile(file('a'), 'utf8')).toBe('AFTER.');
});

test('a fault that nobody knows ends the program, for a test without its fault proves nothing', async () => {
  const env = { ...process.env, ...(await faultsEnv({ root, control: join(home, 'bad-control') })) };
  await writeFile(join(home, 'bad-control'), `burn ${root}\n`);
  const bad = fork(fileURLToPath(new URL('file-worker.fixture.mjs', import.meta.url)), {
    env,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  bad.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [status] = await once(bad, 'close');
  expect(status).toBe(121);
  expect(said).toContain('no such fault: burn');
});
