import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { waitUntil } from '../shared/src/testing/wait-until.ts';

const fixture = join(import.meta.dirname, 'run-child.fixture.mjs');
const started: ChildProcess[] = [];
const pids: number[] = [];
afterEach(() => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
  }
  for (const pid of pids.splice(0).filter(isAlive)) {
    process.kill(pid, 'SIGKILL');
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function launch(mode: string): {
  launcher: ChildProcess;
  output: () => string;
  end: Promise<{ code: number | null; signal: string | null }>;
} {
  const launcher = spawn(process.execPath, [fixture, 'launch', mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(launcher);
  let output = '';
  launcher.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  return {
    launcher,
    output: () => output,
    end: new Promise((resolve) => launcher.once('exit', (code, signal) => resolve({ code, signal }))),
  };
}

async function launchUp(mode: string): Promise<ReturnType<typeof launch> & { pid: number }> {
  const run = launch(mode);
  await waitUntil(() => run.output().includes('up '));
  const pid = Number(/up (\d+)/.exec(run.output())?.[1]);
  pids.push(pid);
  return { ...run, pid };
}

test("the child's exit code is the launcher's", async () => {
  expect(await launch('exit-7').end).toEqual({ code: 7, signal: null });
});

test('a signal that ended the child ends the launcher', async () => {
  const run = await launchUp('stay');
  process.kill(run.pid, 'SIGKILL');
  expect(await run.end).toEqual({ code: null, signal: 'SIGKILL' });
});

test('one Ctrl-C, which arrives from the terminal and from npm, reaches the child once', async () => {
  const run = await launchUp('stay');
  run.launcher.kill('SIGINT');
  run.launcher.kill('SIGINT');
  await waitUntil(() => run.output().includes('SIGINT 1'));
  run.launcher.kill('SIGTERM');
  await waitUntil(() => run.output().includes('SIGTERM'));
  expect(run.output()).toContain('SIGTERM 2');
  expect(run.output()).not.toContain('SIGINT 2');
});

test('the child may take its time to stop, and the launcher waits for it', async () => {
  const run = await launchUp('end-on-signal');
  run.launcher.kill('SIGTERM');
  expect(await run.end).toEqual({ code: 0, signal: null });
  expect(run.output()).toContain('SIGTERM 1');
});

test('a launcher that is killed outright takes the child with it', async () => {
  const run = await launchUp('end-on-signal');
  run.launcher.kill('SIGKILL');
  await waitUntil(() => !isAlive(run.pid));
});
