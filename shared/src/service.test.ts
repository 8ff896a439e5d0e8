/** Services as processes: their options, signals, exit codes and what they print. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { waitUntil } from './testing/wait-until.ts';

const fixture = join(import.meta.dirname, 'service.fixture.ts');
const freeAddresses = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0'];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
});

interface Run {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  stdout: string;
  stderr: string;
}

function start(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', fixture, ...argv], {
    env: { PATH: process.env['PATH'], ...env },
  });
  children.push(child);
  const run: Run = { child, exitCode: new Promise((resolve) => child.once('close', resolve)), stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => {
    run.stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    run.stderr += data.toString();
  });
  return run;
}

async function startReady(argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const run = start([...freeAddresses, ...argv], env);
  await waitUntil(() => run.stdout.includes(' ready'), { timeoutMs: 20_000 });
  return run;
}

test('--help tells usage, summary and all options, and exits with 0', async () => {
  const run = start(['--help']);
  expect(await run.exitCode).toBe(0);
  expect(run.stdout).toMatch(/^Serves as an example\.\n\nUSAGE:\n {2}fixture \[OPTIONS\]\n\nOPTIONS:\n/);
  expect(run.stdout).toContain('[env: STOP_TAKES_MS] [default: 0]');
  expect(run.stdout).toContain('[env: METRICS_ADDR] [default: 0.0.0.0:8080]');
  expect(run.stdout).not.toContain('NATS_URL');
});

test('bad options are all printed together, and it exits with 2', async () => {
  const run = start(['--stop-takes-ms', 'long', '--metric-addr=x', 'please'], { LOG_JSON: 'maybe' });
  expect(await run.exitCode).toBe(2);
  expect(run.stderr).toContain('--stop-takes-ms / STOP_TAKES_MS: "long" is not a whole number');
  expect(run.stderr).toContain('--metric-addr: there is no such option; did you mean --metrics-addr?');
  expect(run.stderr).toContain('--log-json / LOG_JSON: "maybe" is neither true nor false');
  expect(run.stderr).toContain('"please" is not expected here');
});

test('it becomes ready, serves its metrics, and a signal stops it in order with 0', async () => {
  const run = await startReady();
  const health = /health=(\S+)/.exec(run.stdout)?.[1] ?? '';
  const metrics = /metrics=(\S+)/.exec(run.stdout)?.[1] ?? '';
  expect(await (await fetch(health)).json()).toEqual({ ready: true, checks: { serving: 'ok' } });
  expect(await (await fetch(metrics)).text()).toContain('process_cpu_seconds_total');
  run.child.kill('SIGTERM');
  expect(await run.exitCode).toBe(0);
  expect(run.stdout.indexOf('finishing what is in hand')).toBeLessThan(run.stdout.indexOf('INFO  fixture stopped'));
});

test('it is not ready any more while it stops', async () => {
  const run = await startReady(['--stop-takes-ms', '60000']);
  const health = /health=(\S+)/.exec(run.stdout)?.[1] ?? '';
  run.child.kill('SIGINT');
  await waitUntil(() => run.stdout.includes('finishing what is in hand'));
  expect((await fetch(health)).status).toBe(503);
});

test('a second signal ends it at once with 1', async () => {
  const run = await startReady(['--stop-takes-ms', '60000']);
  run.child.kill('SIGINT');
  await waitUntil(() => run.stdout.includes('finishing what is in hand'));
  run.child.kill('SIGINT');
  expect(await run.exitCode).toBe(1);
});

test('a failed start is logged and ends it with 1', async () => {
  const run = start([...freeAddresses, '--fault', 'start']);
  expect(await run.exitCode).toBe(1);
  expect(run.stdout).toContain('could not start error="no such disk"');
});

test('an address in use is one line that names the flag', async () => {
  const run = await startReady();
  const address = /metrics=http:\/\/([^/]+)/.exec(run.stdout)?.[1] ?? '';
  const second = start(['--metrics-addr', address, '--health-addr', '127.0.0.1:0']);
  expect(await second.exitCode).toBe(1);
  expect(second.stdout).toContain('code=OPS_ADDRESS_IN_USE');
  expect(second.stdout).toContain(`flag=--metrics-addr, address=${address}`);
});

test('an error that nobody catches is logged and ends it with 1', async () => {
  const run = start([...freeAddresses, '--fault', 'rejection']);
  expect(await run.exitCode).toBe(1);
  expect(run.stdout).toContain('FATAL fixture uncaught error: exiting error="nobody catches this"');
});

test('the end of standard input stops it where a supervisor asked for that', async () => {
  const run = await startReady([], { COUCHESTOR_STOP_ON_STDIN_EOF: '1' });
  run.child.stdin?.end();
  expect(await run.exitCode).toBe(0);
  expect(run.stdout).toContain('reason="standard input was closed"');
});

test('what was left open does not keep it alive after it has stopped', async () => {
  const run = await startReady(['--fault', 'leak']);
  run.child.kill('SIGTERM');
  expect(await run.exitCode).toBe(0);
  expect(run.stdout).toContain('something still keeps the process alive');
});
