/** A brain as a process of its own, for tests that kill it, stop it, and let it stand still. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const probeTimeoutMs = 2_000;
const startTimeoutMs = 30_000;

export interface BrainProcess {
  readonly output: () => string;
  readonly exitCode: () => number | null;
  /** Whether it says that it leads. False where it does not answer. */
  leads(): Promise<boolean>;
  /** Of /readyz. Undefined where it does not answer. */
  readiness(): Promise<{ ready: boolean; checks: Record<string, string> } | undefined>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves once it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Resolves once it is ready, be it that it leads or that it stands by. */
export async function startBrainProcess(flags: readonly string[]): Promise<BrainProcess> {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const anyPort = ['--metrics-addr', '127.0.0.1:0', '--health-addr', '127.0.0.1:0', '--log-json'];
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...flags, ...anyPort], {
    env: { PATH: process.env['PATH'], COUCHESTOR_STOP_ON_STDIN_EOF: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  const get = async (what: 'health' | 'metrics'): Promise<Response | undefined> => {
    const url = output.match(new RegExp(`"${what}":"([^"]+)"`))?.[1];
    return url === undefined ? undefined : await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) }).catch(() => undefined);
  };
  const brain: BrainProcess = {
    output: () => output,
    exitCode: () => child.exitCode,
    leads: async () => /^couchestor_brain_leader 1$/m.test((await (await get('metrics'))?.text()) ?? ''),
    readiness: async () => (await (await get('health'))?.json()) as { ready: boolean; checks: Record<string, string> } | undefined,
    signal: (signal) => void child.kill(signal),
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
  await waitUntil(() => output.includes('"message":"ready"') || child.exitCode !== null, {
    timeoutMs: startTimeoutMs,
    what: 'a brain to be ready',
  });
  if (child.exitCode !== null) {
    throw new Error(`the brain ended with ${child.exitCode}: ${output}`);
  }
  return brain;
}
