/** A server's program as a child of this process: started on loopback, awaited until it answers, and ended with us at the latest. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sleep } from '../time.ts';
import { ServerError } from './errors.ts';
import type { ServerCommand } from './provision.ts';

export interface RunningServer {
  readonly url: string;
  readonly pid: number | undefined;
  /** Asks it to end, and ends it where it does not. Resolves once it is gone. */
  stop(): Promise<void>;
  /** Sends a signal and waits for nothing. */
  kill(signal: NodeJS.Signals): void;
}

export interface ChildServerInput {
  readonly name: string;
  readonly command: ServerCommand;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly url: string;
  /** Resolves where the server answers now; rejects or resolves to false where it does not yet. */
  readonly answers: () => Promise<boolean>;
  /** Default: half a minute. */
  readonly answerTimeoutMs?: number;
  /** What the child gets once we are gone. Default: TERM. KILL also ends one that is stopped by SIGSTOP. */
  readonly deathSignal?: 'TERM' | 'KILL';
}

const defaultAnswerTimeoutMs = 30_000;
const answerPollMs = 25;
const stopTimeoutMs = 10_000;
const logTailBytes = 2_000;

/** Sends the child a signal once we are gone, however we went. Part of util-linux, so on every Debian. */
const setpriv = '/usr/bin/setpriv';

export async function startChildServer(o: ChildServerInput): Promise<RunningServer> {
  await mkdir(dirname(o.logFile), { recursive: true });
  const child = spawnWithLog(o);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  let exit: string | undefined;
  void exited.then((how) => {
    exit = how;
  });
  const answerTimeoutMs = o.answerTimeoutMs ?? defaultAnswerTimeoutMs;
  const deadline = performance.now() + answerTimeoutMs;
  while (!(await o.answers().catch(() => false))) {
    if (exit !== undefined) {
      throw new ServerError('EXITED', { server: o.name, exit, logFile: o.logFile, logEnd: await tailOf(o.logFile) });
    }
    if (performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new ServerError('NO_ANSWER', {
        server: o.name,
        url: o.url,
        waitedMs: answerTimeoutMs,
        logFile: o.logFile,
        logEnd: await tailOf(o.logFile),
      });
    }
    await Promise.race([sleep(answerPollMs), exited]);
  }
  if (exit !== undefined) {
    // Something answers, but not our child: another process took the port.
    throw new ServerError('EXITED', { server: o.name, exit, logFile: o.logFile, logEnd: await tailOf(o.logFile) });
  }
  return {
    url: o.url,
    pid: child.pid,
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      if (exit === undefined) {
        child.kill('SIGTERM');
        const patience = new AbortController();
        const timer = sleep(stopTimeoutMs, patience.signal).then(
          () => child.kill('SIGKILL'),
          () => undefined,
        );
        await Promise.race([exited, timer]);
        patience.abort();
      }
      await exited;
    },
  };
}

/** What to run so that the program gets `signal` once we are gone. Where setpriv is missing it outlives us. */
export function endingWithUs(command: readonly [string, ...string[]], signal: 'TERM' | 'KILL'): [string, ...string[]] {
  return existsSync(setpriv) ? [setpriv, '--pdeathsig', signal, '--', ...command] : [...command];
}

function spawnWithLog(o: ChildServerInput): ChildProcess {
  const log = openSync(o.logFile, 'a');
  const [file, ...args] = endingWithUs([o.command.path, ...o.args], o.deathSignal ?? 'TERM');
  try {
    return spawn(file, args, {
      env: { ...process.env, ...o.command.env },
      stdio: ['ignore', log, log],
      // A process group of its own: Ctrl-C in the terminal is for us, and we stop it when nothing needs it any more.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function tailOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.slice(-logTailBytes).trim();
}
