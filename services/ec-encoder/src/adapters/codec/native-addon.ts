/** What the add-on in native/ offers, as native/addon.c has it. */

type Job = readonly [
  matrix: Uint8Array,
  sources: readonly Uint8Array[],
  targets: readonly Uint8Array[],
  compare: boolean,
  /** Write around the caches. */
  stream: boolean,
];

/**
 * Fills `into` from a position of a file with what the page cache has, and returns how many bytes that were: 0 at the end of the file. Never
 * waits for a disk: -EAGAIN where nothing is cached, fewer bytes where the rest is not, -EOPNOTSUPP where the file system cannot tell. Throws
 * a TypeError for what is no file descriptor, position or memory; an empty `into` is none.
 */
export type NativeRead = (fd: number, into: Uint8Array, positionBytes: number) => number;

/** Wrong arguments throw before anything is written. */
export interface NativeAddon {
  /** The instruction sets it has kernels for, at their numbers; null for one that this processor lacks. */
  readonly levels: readonly (string | null)[];
  /** What it can make checksums with here, the best one last, which is what it does. */
  readonly crc32cEngines: readonly string[];
  /** The places of targets that differ, with `compare`; else none. */
  run(level: number, ...job: Job): number[];
  /** On libuv's thread pool, as one piece of work. Null for a job whose shards were moved meanwhile. */
  submit(level: number, jobs: readonly Job[]): Promise<(number[] | null)[]>;
  crc32c(data: Uint8Array, seed: number): number;
  /** As `crc32c`, by one of `crc32cEngines`: the others are there for processors that lack the best. */
  crc32cBy(engine: number, data: Uint8Array, seed: number): number;
  crc32cBlocks(data: Uint8Array, blockBytes: number, seeds: Uint32Array, sums: Uint32Array): void;
  readonly readNow: NativeRead;
}
