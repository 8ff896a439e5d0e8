/** One service as a container runs it: a process of its own, with no environment but what it is given, to be killed at any time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const probeTimeoutMs = 5_000;
const startTimeoutMs = 60_000;

export interface ServiceProcess {
  readonly pid: number;
  readonly output: () => string;
  /** The text of /metrics; empty where it does not answer. */
  metrics(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code once it is gone. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Resolves once it is ready. */
export async function startService(
  name: 'mayastor-simulator' | 'metrics-watcher' | 'policy-brain' | 'migrator',
  flags: readonly string[],
): Promise<ServiceProcess> {
  const main = fileURLToPath(new URL(`../../services/${name}/src/main.ts`, import.meta.url));
  const ops = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0', '--log-json'];
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...flags, ...ops], {
    // It ends with us: its standard input is then closed.
    env: { PATH: process.env['PATH'], COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await waitUntil(() => output.includes('"message":"ready"') || child.exitCode !== null, {
    timeoutMs: startTimeoutMs,
    what: `${name} to be ready`,
  });
  if (child.exitCode !== null) {
    throw new Error(`${name} ended with ${child.exitCode}: ${output}`);
  }
  const url = output.match(/"metrics":"([^"]+)"/)?.[1] ?? '';
  return {
    pid: child.pid ?? 0,
    output: () => output,
    metrics: async () =>
      await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) }).then(
        (answer) => answer.text(),
        () => '',
      ),
    kill: (signal) => void child.kill(signal),
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await gone;
      }
      return child.exitCode;
    },
  };
}
