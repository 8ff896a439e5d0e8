/** The add-on of @ronomon/reed-solomon 6, as its binding.c has it. A buffer of no bytes, or of 4 GiB, aborts the whole process. */
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { NativeError } from './errors.ts';
import { ronomonFiles } from './native-files.ts';

export interface RonomonAddon {
  /** What `encode` needs of a code. */
  create(dataShards: number, parityShards: number): Buffer;
  /**
   * On libuv's thread pool. `sources` and `targets` are bit masks of places; data shards lie in `buffer` and parity shards in `parity`, one behind
   * the other. Every shard that is no source may be written to. Wrong arguments throw; once it has begun it cannot fail.
   */
  encode(
    context: Buffer,
    sources: number,
    targets: number,
    buffer: Buffer,
    bufferOffsetBytes: number,
    bufferSizeBytes: number,
    parity: Buffer,
    parityOffsetBytes: number,
    paritySizeBytes: number,
    end: () => void,
  ): void;
}

/** Throws NativeError NO_RONOMON, RONOMON_NOT_BUILT or BROKEN. Builds nothing. */
export async function loadRonomon(o: { env: NodeJS.ProcessEnv }): Promise<RonomonAddon> {
  const { path } = await ronomonFiles(o);
  await access(path).catch((cause: unknown) => {
    throw new NativeError('RONOMON_NOT_BUILT', { path }, { cause });
  });
  try {
    return createRequire(import.meta.url)(path) as RonomonAddon;
  } catch (cause) {
    throw new NativeError('BROKEN', { path }, { cause });
  }
}
