/** A workload as a process that is killed, and what it told. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sleep } from '@couchestor/shared/time';
import { record } from '../../faults/run-with-faults.ts';
import type { Life } from './life.ts';
import { type Line, linesOf } from './story.ts';

const program = fileURLToPath(new URL('./workload.fixture.ts', import.meta.url));
const pollMs = 4;
const complaintsMax = 20_000;

/** The lines that were added to a file. */
export class StoryReader {
  readonly #path: string;
  #at = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  next(): Line[] {
    if (!existsSync(this.#path)) {
      return [];
    }
    const fd = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(1024 * 1024);
      const parts: Buffer[] = [];
      for (let got = readSync(fd, bytes, 0, bytes.length, this.#at); got > 0; got = readSync(fd, bytes, 0, bytes.length, this.#at)) {
        parts.push(Buffer.from(bytes.subarray(0, got)));
        this.#at += got;
      }
      const { lines, rest } = linesOf(this.#rest + Buffer.concat(parts).toString('utf8'));
      this.#rest = rest;
      return lines;
    } finally {
      closeSync(fd);
    }
  }

  /** The last line was cut by a kill. */
  cut(): void {
    this.#rest = '';
  }
}

export type Death = { readonly after: Line['is']; readonly delayMs: number };

export interface Ended {
  readonly lines: readonly Line[];
  /** By a kill of ours, or by itself. */
  readonly wasKilled: boolean;
  readonly code: number | null;
  readonly complaints: string;
}

/** Resolves once the process is dead. Without `death` it ends by itself. */
export async function live(life: Life, reader: StoryReader, o: { death?: Death; limitMs: number }): Promise<Ended> {
  const child = spawn(process.execPath, programArgs(life), { stdio: ['ignore', 'ignore', 'pipe'] });
  return await follow(child, reader, o);
}

/** The same, recorded. */
export async function liveRecorded(life: Life, reader: StoryReader, o: { log: string; limitMs: number }): Promise<Ended> {
  const child = await record({ command: process.execPath, args: programArgs(life), root: life.root, log: o.log });
  return await follow(child, reader, { limitMs: o.limitMs });
}

function programArgs(life: Life): string[] {
  return ['--conditions=source', '--import', 'tsx', program, JSON.stringify(life)];
}

async function follow(child: ChildProcess, reader: StoryReader, o: { death?: Death; limitMs: number }): Promise<Ended> {
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-complaintsMax);
  });
  let hasEnded = false;
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      hasEnded = true;
      resolve(code);
    });
  });
  const lines: Line[] = [];
  const deadlineMs = performance.now() + o.limitMs;
  let killAtMs = o.death === undefined ? deadlineMs : Number.POSITIVE_INFINITY;
  let wasKilled = false;
  while (!hasEnded) {
    const news = reader.next();
    lines.push(...news);
    if (killAtMs === Number.POSITIVE_INFINITY && news.some(({ is }) => is === o.death?.after)) {
      killAtMs = performance.now() + (o.death?.delayMs ?? 0);
    }
    if (performance.now() >= Math.min(killAtMs, deadlineMs)) {
      wasKilled = child.kill('SIGKILL');
      break;
    }
    await Promise.race([ended, sleep(pollMs)]);
  }
  const code = await ended;
  lines.push(...reader.next());
  reader.cut();
  return { lines, wasKilled: wasKilled && performance.now() < deadlineMs, code, complaints };
}
