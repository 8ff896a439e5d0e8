/** Debian's libisal as a program beside the benchmark, which does one measurement at a time when it is asked. */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { unpackPackages } from '@couchestor/shared/servers/apt';
import { cacheDirOf } from '@couchestor/shared/servers/provision';
import { cCompiler } from '@couchestor/shared/testing/c-compiler';

const run = promisify(execFile);

export interface IsalProgram {
  readonly path: string;
  readonly libraryDir: string;
}

/** Fetched and built where it is not there yet; undefined, with a line that says why, where that cannot be. */
export async function isalProgram(log: (line: string) => void): Promise<IsalProgram | undefined> {
  const dir = join(cacheDirOf(process.env), 'bench', 'libisal');
  const libraryDir = join(dir, 'usr', 'lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
  const library = join(libraryDir, 'libisal.so.2');
  const path = join(dir, 'codec-isal');
  try {
    await mkdir(dir, { recursive: true });
    await access(library).catch(() =>
      unpackPackages(['libisal2', 'libisal-dev'], { targetDir: dir, aptDir: join(cacheDirOf(process.env), 'apt'), log }),
    );
    const source = fileURLToPath(new URL('codec-isal.c', import.meta.url));
    const compiler = await cCompiler(process.env);
    await run(compiler.path, [...compiler.args, '-O2', '-I', join(dir, 'usr', 'include'), source, library, '-o', path], {
      env: compiler.env,
    });
    return { path, libraryDir };
  } catch (error) {
    log(`libisal is not measured: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

export class IsalCell {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  constructor(program: IsalProgram, o: { dataShards: number; parityShards: number; shardBytes: number; stripes: number }) {
    const args = [o.dataShards, o.parityShards, o.shardBytes, o.stripes].map(String);
    this.#child = spawn(program.path, args, { env: { LD_LIBRARY_PATH: program.libraryDir }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#child.once('error', (error) => this.#lines.emit('error', error));
  }

  /** Nanoseconds for `count` stripes. */
  async measure(what: 'encode' | 'copy', count: number): Promise<number> {
    const answer = once(this.#lines, 'line');
    this.#child.stdin.write(`${what} ${count}\n`);
    return Number((await answer)[0]);
  }

  close(): void {
    this.#child.stdin.end();
  }
}
