/** Replicas as sparse files, one each, kept open. All calls are synchronous: one block takes microseconds and the order of writes is plain. */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const copyChunkBytes = 1024 * 1024;

export class ReplicaFiles {
  readonly #folder: string;
  readonly #open = new Map<string, number>();
  readonly #chunk = Buffer.alloc(copyChunkBytes);
  readonly #zeros = Buffer.alloc(copyChunkBytes);

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Makes the file, empty, or takes it as it is where it is there already. */
  ensure(replica: string, sizeBytes: number): void {
    const path = this.#path(replica);
    const fd = openSync(path, existsSync(path) ? 'r+' : 'w+');
    ftruncateSync(fd, sizeBytes);
    this.#open.set(replica, fd);
  }

  exists(replica: string): boolean {
    return existsSync(this.#path(replica));
  }

  resize(replica: string, sizeBytes: number): void {
    ftruncateSync(this.#fd(replica), sizeBytes);
  }

  /** Forgets all that the replica holds. */
  empty(replica: string, sizeBytes: number): void {
    ftruncateSync(this.#fd(replica), 0);
    ftruncateSync(this.#fd(replica), sizeBytes);
  }

  remove(replica: string): void {
    const fd = this.#open.get(replica);
    if (fd !== undefined) {
      closeSync(fd);
      this.#open.delete(replica);
    }
    rmSync(this.#path(replica), { force: true });
  }

  read(replica: string, target: Buffer, position: number): void {
    const bytes = readSync(this.#fd(replica), target, 0, target.length, position);
    // Past the end of a file there is nothing to read; it counts as never written.
    target.fill(0, bytes);
  }

  write(replica: string, content: Buffer, position: number): void {
    writeSync(this.#fd(replica), content, 0, content.length, position);
  }

  /** Copies a range. What is empty at the source stays a hole at the destination, which was emptied before. */
  copy(input: { from: string; to: string; fromByte: number; toByte: number }): void {
    for (let at = input.fromByte; at < input.toByte; at += copyChunkBytes) {
      const chunk = this.#chunk.subarray(0, Math.min(copyChunkBytes, input.toByte - at));
      this.read(input.from, chunk, at);
      if (!chunk.equals(this.#zeros.subarray(0, chunk.length))) {
        this.write(input.to, chunk, at);
      }
    }
  }

  /** Removes files that belong to no replica: the traces of a process killed between two steps. */
  keepOnly(replicas: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#folder)) {
      if (!replicas.has(name)) {
        rmSync(this.#path(name), { force: true });
      }
    }
  }

  close(): void {
    for (const fd of this.#open.values()) {
      closeSync(fd);
    }
    this.#open.clear();
  }

  #fd(replica: string): number {
    const fd = this.#open.get(replica);
    if (fd === undefined) {
      throw new Error(`the file of replica ${replica} is not open`);
    }
    return fd;
  }

  #path(replica: string): string {
    return join(this.#folder, replica);
  }
}
