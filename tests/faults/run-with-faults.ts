/** Programs whose files fail on demand, or whose every change of a file is recorded. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, open, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildPreload } from './build-preload.ts';
import { logCapacityBytes, newLogHeader } from './recording.ts';

export interface FaultsPlace {
  /** The folder whose files are concerned; made where it is not there. */
  readonly root: string;
  /** The file that tells the faults, see FaultControl. */
  readonly control?: string;
  /** The file of the recording, made where it is not there; several programs may write one recording, one after the other or at once. */
  readonly log?: string;
}

/** What a program needs in its environment, beside what it needs anyway. */
export async function faultsEnv(o: FaultsPlace): Promise<NodeJS.ProcessEnv> {
  await mkdir(o.root, { recursive: true });
  if (o.log !== undefined) {
    await beginLog(o.root, o.log);
  }
  return {
    LD_PRELOAD: await buildPreload(),
    FAULTS_ROOT: o.root,
    FAULTS_ACKS: acksOf(o.root),
    // io_uring goes past the C library.
    UV_USE_IO_URING: '0',
    ...(o.control === undefined ? {} : { FAULTS_CONTROL: o.control }),
    ...(o.log === undefined ? {} : { FAULTS_RECORD: o.log }),
  };
}

/** What a program appends here is part of the recording: what it told the world, and when. */
export function acksOf(root: string): string {
  return join(dirname(root), 'acks');
}

/** Starts a program whose changes below `root` are recorded in `log`. */
export async function record(o: {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  root: string;
  log: string;
  control?: string;
}): Promise<ChildProcess> {
  const env = { ...process.env, ...o.env, ...(await faultsEnv(o)) };
  return spawn(o.command, o.args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** The faults of programs that run. A change is seen by them within 10 ms. */
export class FaultControl {
  readonly path: string;
  #version = 0;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(path: string): Promise<FaultControl> {
    const control = new FaultControl(path);
    await control.set([]);
    return control;
  }

  /** Takes the place of all faults before. The lines are told in preload-control.c, such as `hang /data/drive-3`. */
  async set(lines: readonly string[]): Promise<void> {
    this.#version += 1;
    const next = `${this.path}.next`;
    await writeFile(next, [`# ${this.#version}`, ...lines, ''].join('\n'));
    await rename(next, this.path);
  }
}

/** What is in the folder already is copied beside the log: states after a power loss begin with it. */
async function beginLog(root: string, log: string): Promise<void> {
  if (
    await stat(log).then(
      () => true,
      () => false,
    )
  ) {
    return;
  }
  await mkdir(dirname(log), { recursive: true });
  if ((await readdir(root)).length > 0) {
    await cp(root, `${log}.before`, { recursive: true });
  }
  const file = await open(log, 'wx');
  try {
    await file.truncate(logCapacityBytes);
    await file.write(newLogHeader());
  } finally {
    await file.close();
  }
}
