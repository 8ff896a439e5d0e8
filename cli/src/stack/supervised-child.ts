/**
 * A child process that is started again when it dies.
 *
 * It runs in a session of its own, so that Ctrl-C at the terminal reaches only the supervisor, which then stops everything in order. Its
 * standard input is a pipe that it never reads from: when the supervisor is killed the pipe closes, and the child stops by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { restartDelayMs, wellAfterMs } from './back-off.ts';

export interface ChildSpec {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
}

export type ProcessChange =
  | { readonly kind: 'started'; readonly restarts: number }
  | { readonly kind: 'died'; readonly how: string; readonly restartInMs: number }
  | { readonly kind: 'failed'; readonly why: string };

export class SupervisedChild {
  readonly name: string;
  readonly #spec: ChildSpec;
  readonly #onChange: (change: ProcessChange) => void;
  #child: ChildProcess | undefined;
  #restarts = 0;
  #deathsInARow = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(spec: ChildSpec, onChange: (change: ProcessChange) => void) {
    this.name = spec.name;
    this.#spec = spec;
    this.#onChange = onChange;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get up(): boolean {
    return this.#child !== undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    const log = openSync(this.#spec.logFile, 'a');
    const startedAtMs = Date.now();
    const child = spawn(this.#spec.path, [...this.#spec.args], { detached: true, stdio: ['pipe', log, log], env: this.#spec.env });
    closeSync(log);
    this.#child = child;
    // Written to never; the pipe's end is the message, and a child that is gone already must not bring the supervisor down.
    child.stdin?.on('error', () => undefined);
    let ended = false;
    const onEnd = (how: string): void => {
      if (ended) {
        return;
      }
      ended = true;
      this.#child = undefined;
      this.#onEnd(how, Date.now() - startedAtMs);
    };
    child.once('error', (error) => onEnd(error.message));
    child.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    if (child.pid !== undefined) {
      this.#onChange({ kind: 'started', restarts: this.#restarts });
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGTERM, and SIGKILL once `graceMs` have passed. Resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) {
      return;
    }
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
      child.once('exit', () => {
        clearTimeout(force);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }

  #onEnd(how: string, ranMs: number): void {
    if (this.#stopping) {
      return;
    }
    this.#deathsInARow = ranMs >= wellAfterMs ? 1 : this.#deathsInARow + 1;
    const restartInMs = restartDelayMs(this.#deathsInARow);
    this.#onChange({ kind: 'died', how, restartInMs });
    this.#timer = setTimeout(() => {
      this.#restarts += 1;
      this.start();
    }, restartInMs);
  }
}
