import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endLeftovers } from './leftovers.ts';
import { identify, isRunning } from './process-identity.ts';
import type { StackFile } from './stack-file.ts';
import { takeSupervisorLock } from './supervisor-lock.ts';

let folder: string;
let lockFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-lock-'));
  lockFile = join(folder, 'supervisor.lock');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the lock of a data folder', () => {
  it('is held by one supervisor, and free again once that gives it back', async () => {
    const lock = await takeSupervisorLock(lockFile);
    await expect(takeSupervisorLock(lockFile)).rejects.toThrow(/CLI_ALREADY_RUNNING.*pid=\d+/);
    await lock.release();
    await (await takeSupervisorLock(lockFile)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not held by a process that was killed', async () => {
    await writeFile(lockFile, JSON.stringify({ pid: 4_194_303, startedAt: '1', commandLine: 'couchestor up' }));
    await (await takeSupervisorLock(lockFile)).release();
  });

  it('is not held by another process that got the same id meanwhile', async () => {
    const self = identify(process.pid);
    await writeFile(lockFile, JSON.stringify({ ...self, startedAt: '1' }));
    await (await takeSupervisorLock(lockFile)).release();
  });

  it('is taken over from a file that was cut off in the middle', async () => {
    await writeFile(lockFile, '{"pid": 12');
    await (await takeSupervisorLock(lockFile)).release();
  });

  it('goes to exactly one of several that find a stale one at the same moment', async () => {
    await writeFile(lockFile, '{}');
    const attempts = await Promise.allSettled([takeSupervisorLock(lockFile), takeSupervisorLock(lockFile)]);
    expect(attempts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(JSON.parse(await readFile(lockFile, 'utf8'))).toEqual(identify(process.pid));
  });
});

describe('what a killed supervisor leaves behind', () => {
  const left = (processes: StackFile['processes']): StackFile => ({ processes }) as StackFile;

  it('is ended, also where it does not listen to SIGTERM', async () => {
    const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    await waitUntil(() => output.includes('up'));
    const identity = identify(child.pid ?? 0);
    expect(identity).toBeDefined();
    expect(await endLeftovers(left([{ name: 'redis', ...(identity as NonNullable<typeof identity>) }]))).toEqual(['redis']);
    expect(identify(child.pid ?? 0)).toBeUndefined();
  });

  it("never includes somebody else's process that got a noted id", async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await waitUntil(() => identify(child.pid ?? 0)?.commandLine.includes('setInterval') === true);
    const identity = identify(child.pid ?? 0) as NonNullable<ReturnType<typeof identify>>;
    const noted = [
      { name: 'nats', ...identity, startedAt: '1' },
      { name: 'redis', ...identity, commandLine: 'redis-server 127.0.0.1:6379' },
    ];
    expect(await endLeftovers(left(noted))).toEqual([]);
    expect(isRunning(identity)).toBe(true);
    child.kill('SIGKILL');
  });
});
