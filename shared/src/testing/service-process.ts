/** One service as a container runs it: a process of its own, with no environment but what it is given, to be killed at any time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitUntil } from './wait-until.ts';

const probeTimeoutMs = 5_000;
const startTimeoutMs = 60_000;

export interface ServiceProcess {
  readonly pid: number;
  readonly output: () => string;
  readonly exitCode: () => number | null;
  /** The text of /metrics; empty where it does not answer. */
  metrics(): Promise<string>;
  /** Of /readyz. Undefined where it does not answer. */
  readiness(): Promise<{ ready: boolean; checks: Record<string, string> } | undefined>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code once it is gone. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/**
 * Resolves once it is ready.
 * @param main the service's main.ts
 * @param more environment beside PATH, such as that of a preloaded library
 */
export async function startServiceProcess(main: URL, flags: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<ServiceProcess> {
  const file = fileURLToPath(main);
  const ops = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0', '--log-json'];
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', file, ...flags, ...ops], {
    // It ends with us: its standard input is then closed.
    env: { ...more, PATH: process.env['PATH'], COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
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
    what: `${file} to be ready`,
  });
  if (child.exitCode !== null) {
    throw new Error(`${file} ended with ${child.exitCode}: ${output}`);
  }
  const get = async (what: 'health' | 'metrics'): Promise<Response | undefined> => {
    const url = output.match(new RegExp(`"${what}":"([^"]+)"`))?.[1];
    return url === undefined ? undefined : await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) }).catch(() => undefined);
  };
  return {
    pid: child.pid ?? 0,
    output: () => output,
    exitCode: () => child.exitCode,
    metrics: async () => (await (await get('metrics'))?.text()) ?? '',
    readiness: async () => (await (await get('health'))?.json()) as { ready: boolean; checks: Record<string, string> } | undefined,
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
