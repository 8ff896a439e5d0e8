/** The `couchestor` command as a person or a script runs it: a process, its output and its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '@couchestor/shared/testing/wait-until';

const bin = fileURLToPath(new URL('../../cli/bin/couchestor.mjs', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves once standard output holds it. Rejects where the process ends before. */
  saw(text: string | RegExp, timeoutMs: number): Promise<void>;
  readonly ended: Promise<Ended>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end. */
export function couchestor(args: readonly string[], o: RunOptions = {}): Promise<Ended> {
  return start(args, o).ended;
}

/** The document that a command prints with --json. Throws where it fails. */
export async function json(args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await couchestor([...args, '--json']);
  if (code !== 0) {
    throw new Error(`couchestor ${args.join(' ')} ended with ${code}: ${stderr}`);
  }
  return JSON.parse(stdout);
}

export function start(args: readonly string[], o: RunOptions = {}): Running {
  // Of the environment only what finds programs and folders: a NATS_URL of the machine's own must not decide what is tested.
  const { PATH, HOME, XDG_CACHE_HOME, TMPDIR, CI } = process.env as Record<string, string | undefined>;
  const inherited = Object.fromEntries(
    Object.entries({ PATH, HOME, XDG_CACHE_HOME, TMPDIR, CI }).filter(([, value]) => value !== undefined),
  );
  const child = spawn(process.execPath, [bin, ...args], { env: { ...inherited, ...o.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let hasEnded = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      hasEnded = true;
      resolve({ code, stdout, stderr });
    });
  });
  return {
    child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    saw: async (text, timeoutMs) => {
      const there = (): boolean => (typeof text === 'string' ? stdout.includes(text) : text.test(stdout));
      await waitUntil(() => there() || hasEnded, { timeoutMs, what: `${text} in the output of couchestor ${args.join(' ')}` });
      if (!there()) {
        throw new Error(`couchestor ${args.join(' ')} ended without ${text}:\n${stdout}\n${stderr}`);
      }
    },
  };
}

/** True while a process with this id exists, and has not merely ended unnoticed. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
