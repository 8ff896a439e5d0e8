import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { restartDelayMs } from './back-off.ts';
import { identify } from './process-identity.ts';
import { type ProcessChange, SupervisedChild } from './supervised-child.ts';

let folder: string;
let changes: ProcessChange[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-child-'));
  changes = [];
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function supervise(script: string): SupervisedChild {
  const spec = { name: 'child', path: process.execPath, args: ['-e', script], env: process.env, logFile: join(folder, 'child.log') };
  return new SupervisedChild(spec, (change) => changes.push(change));
}

const log = (): Promise<string> => readFile(join(folder, 'child.log'), 'utf8').catch(() => '');
const waiting = 'console.log("up"); setInterval(() => {}, 1000);';

describe('a supervised child', () => {
  it('is started again when it dies, and told so each time', async () => {
    const child = supervise(waiting);
    child.start();
    await waitUntil(async () => (await log()) === 'up\n');
    const firstPid = child.pid;
    child.kill('SIGKILL');
    await waitUntil(async () => (await log()) === 'up\nup\n');
    expect(child.pid).not.toBe(firstPid);
    expect(child.restarts).toBe(1);
    expect(changes).toEqual([
      { kind: 'started', restarts: 0 },
      { kind: 'died', how: 'SIGKILL', restartInMs: restartDelayMs(1) },
      { kind: 'started', restarts: 1 },
    ]);
    await child.stop(1_000);
  });

  it('is not started again once it was told to stop, neither running nor between two starts', async () => {
    const running = supervise(waiting);
    running.start();
    await waitUntil(async () => (await log()) === 'up\n');
    await running.stop(1_000);
    expect(running.up).toBe(false);

    const dying = supervise('process.exit(3)');
    dying.start();
    await waitUntil(() => changes.some((change) => change.kind === 'died' && change.how === 'exit code 3'));
    await dying.stop(1_000);
    expect({ up: dying.up, restarts: dying.restarts }).toEqual({ up: false, restarts: 0 });
  });

  it('is killed where it does not listen', async () => {
    const child = supervise(`process.on('SIGTERM', () => {}); ${waiting}`);
    child.start();
    await waitUntil(async () => (await log()) === 'up\n');
    const pid = child.pid ?? 0;
    await child.stop(100);
    expect(identify(pid)).toBeUndefined();
  });

  it('finds its standard input open for as long as it is supervised', async () => {
    // Its end is how a child learns that the supervisor was killed, so it must not come before.
    const child = supervise('process.stdin.on("end", () => console.log("eof")); process.stdin.resume(); console.log("up");');
    child.start();
    await waitUntil(async () => (await log()) === 'up\n');
    expect(child.up).toBe(true);
    await child.stop(1_000);
    expect(await log()).not.toContain('eof');
  });

  it('that cannot be started at all is told and tried again', async () => {
    const spec = { name: 'child', path: join(folder, 'no-such-program'), args: [], env: process.env, logFile: join(folder, 'child.log') };
    const child = new SupervisedChild(spec, (change) => changes.push(change));
    child.start();
    await waitUntil(() => changes.filter(({ kind }) => kind === 'died').length === 2);
    expect(changes[0]).toMatchObject({ kind: 'died', how: expect.stringContaining('ENOENT') });
    await child.stop(1_000);
  });
});

describe('the wait before a restart', () => {
  it('doubles from a fifth of a second to ten seconds', () => {
    expect([1, 2, 3, 6, 7, 100].map(restartDelayMs)).toEqual([200, 400, 800, 6_400, 10_000, 10_000]);
  });
});
