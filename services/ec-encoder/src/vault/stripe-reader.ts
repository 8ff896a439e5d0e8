/**
 * Reads ranges of a stripe's payload, every block checked against the index.
 *
 * A healthy read touches the one shard that holds the range: at once where the page cache has it, else by the drive's thread. Where that
 * shard is lost, corrupt or slow, the same range of dataShards others is read and the wanted one computed, and checked as well. What is wrong
 * with a shard is reported, for the healer.
 */
import type { Drive } from '../adapters/drive/drive.ts';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { allocateShared, type SharedPool } from '../adapters/shared-buffers.ts';
import { blockSeed, blockSeeds } from '../domain/block-seed.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import type { ErasureCodec } from '../domain/codec/erasure-codec.ts';
import { blockBytes, placeOf, shardCountOf, storedBytesOf } from '../domain/geometry.ts';
import type { StripeRow } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';
import { VaultError } from './errors.ts';
import { firstGeneration } from './stripe-writer.ts';

/** A shard that is slower than three times what its drive mostly takes is read another way too; never sooner or later than this. */
const hedgeMsMin = 20;
const hedgeMsMax = 1_000;

/** A longer one is computed while others are served. */
const computedNowBytesMax = 64 * 1024;

export interface BadShard {
  readonly stripeId: number;
  readonly place: number;
  readonly generation: number;
  readonly reason: 'corrupt' | 'unreadable';
}

export interface StripeReaderDeps {
  readonly index: Pick<IndexStore, 'sums' | 'stripe'>;
  readonly drives: DriveSet;
  readonly codec: ErasureCodec;
  readonly checksums: ChecksumEngine;
  readonly pool: SharedPool;
  readonly onBadShard: (bad: BadShard) => void;
  readonly onReconstruction: () => void;
}

/** A part of each shard. Offsets and lengths are multiples of the block. */
interface StripePart {
  readonly row: StripeRow;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** A part of one shard. */
interface ShardPart extends StripePart {
  readonly place: number;
}

/** Where a part of one shard goes. `ready` is absent where it is there. */
interface Target {
  readonly place: number;
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
  readonly ready?: Promise<void>;
}

export class StripeReader {
  readonly #deps: StripeReaderDeps;

  constructor(deps: StripeReaderDeps) {
    this.#deps = deps;
  }

  /** Fills `into` from the payload where that needs no waiting; false where it does. */
  readNow(row: StripeRow, payloadOffsetBytes: number, into: Uint8Array): boolean {
    const { place, offsetBytes } = placeOf(row.shape, payloadOffsetBytes);
    const hereBytes = row.shape.shardBytes - offsetBytes;
    if (into.length <= hereBytes) {
      return this.#partNow(row, place, offsetBytes, into) || this.#computeNow({ row, place, offsetBytes, lengthBytes: into.length }, into);
    }
    const last = placeOf(row.shape, payloadOffsetBytes + into.length - 1).place;
    for (let each = place; each <= last; each += 1) {
      // Nothing is read in vain that has to be read again with what is computed.
      if (storedBytesOf(row.shape, each) > 0 && this.#readyDriveOf(row, each) === undefined) {
        return false;
      }
    }
    for (let at = 0; at < into.length; ) {
      const part = placeOf(row.shape, payloadOffsetBytes + at);
      const lengthBytes = Math.min(into.length - at, row.shape.shardBytes - part.offsetBytes);
      if (!this.#partNow(row, part.place, part.offsetBytes, into.subarray(at, at + lengthBytes))) {
        return false;
      }
      at += lengthBytes;
    }
    return true;
  }

  /** Throws VaultError LOST where fewer than dataShards shards of the range can be read. */
  async read(row: StripeRow, payloadOffsetBytes: number, into: Uint8Array): Promise<void> {
    const targets: Target[] = [];
    const gone: Target[] = [];
    for (let at = 0; at < into.length; ) {
      const { place, offsetBytes } = placeOf(row.shape, payloadOffsetBytes + at);
      const lengthBytes = Math.min(into.length - at, row.shape.shardBytes - offsetBytes);
      const target = { place, offsetBytes, bytes: into.subarray(at, at + lengthBytes) };
      if (this.#partNow(row, place, offsetBytes, target.bytes)) {
        targets.push(target);
      } else if (this.#driveOf(row, place) === undefined) {
        gone.push(target);
      } else {
        targets.push({ ...target, ready: this.readShard(row, place, offsetBytes, target.bytes) });
      }
      at += lengthBytes;
    }
    await settled([...targets.flatMap(({ ready }) => ready ?? []), ...this.#computeGone(row, gone, targets)]);
  }

  /** Those of one range together, and from what is read anyway: a long read with lost drives reads no more than a healthy one. */
  #computeGone(row: StripeRow, gone: readonly Target[], others: readonly Target[]): Promise<void>[] {
    const left = [...gone];
    const work: Promise<void>[] = [];
    for (let first = left[0]; first !== undefined; first = left[0]) {
      const { offsetBytes, bytes } = first;
      const together = left.filter((each) => each.offsetBytes === offsetBytes && each.bytes.length === bytes.length);
      left.splice(0, left.length, ...left.filter((each) => !together.includes(each)));
      work.push(this.#compute({ row, offsetBytes, lengthBytes: bytes.length }, together, others));
    }
    return work;
  }

  /** A part of one shard, data or parity, read or computed. */
  async readShard(row: StripeRow, place: number, offsetBytes: number, into: Uint8Array): Promise<void> {
    const part = { row, place, offsetBytes, lengthBytes: into.length };
    const drive = this.#driveOf(row, place);
    if (drive === undefined || drive.state === 'suspect') {
      await this.#reconstructOr(part, into, drive === undefined ? undefined : () => this.#direct(part, drive));
      return;
    }
    const direct = this.#direct(part, drive);
    const first = await soonest(direct, hedgeMsOf(drive));
    if (first !== 'late' && first !== undefined) {
      into.set(first);
      return;
    }
    await this.#reconstructOr(part, into, first === 'late' ? () => direct : undefined);
  }

  #partNow(row: StripeRow, place: number, offsetBytes: number, into: Uint8Array): boolean {
    const storedBytes = storedBytesOf(row.shape, place);
    if (offsetBytes + into.length > storedBytes) {
      const stored = Math.max(0, storedBytes - offsetBytes);
      into.fill(0, stored);
      return stored === 0 || this.#partNow(row, place, offsetBytes, into.subarray(0, stored));
    }
    const at = row.shards[place];
    const drive = this.#readyDriveOf(row, place);
    if (at === undefined || drive === undefined) {
      return false;
    }
    return (
      drive.readNow({ segment: at.segment, offsetBytes: dataOffsetOf(at) + offsetBytes, into }) &&
      this.#checks(row, place, offsetBytes, into)
    );
  }

  /** A small part of a shard whose drive is gone, where the page cache has the others: so it leaves with the replies before and after it. */
  #computeNow(part: ShardPart, into: Uint8Array): boolean {
    const { codec, pool, onReconstruction } = this.#deps;
    const { row, place, offsetBytes, lengthBytes } = part;
    const { dataShards, shardBytes } = row.shape;
    if (
      codec.reconstructNow === undefined ||
      lengthBytes > computedNowBytesMax ||
      !(codec.isByteLocal || lengthBytes === shardBytes) ||
      this.#driveOf(row, place) !== undefined
    ) {
      return false;
    }
    const borrowed: Uint8Array[] = [];
    const shards: (Uint8Array | undefined)[] = row.shards.map(() => undefined);
    try {
      const others = this.#candidates(row, [place], []).slice(0, dataShards);
      for (const other of others) {
        const bytes = this.#memory(lengthBytes, borrowed);
        shards[other] = bytes;
        if (!this.#partNow(row, other, offsetBytes, bytes)) {
          return false;
        }
      }
      if (others.length < dataShards || !codec.reconstructNow({ shards, wanted: [place], into: [into] })) {
        return false;
      }
    } finally {
      giveAll(pool, borrowed);
    }
    onReconstruction();
    const stored = Math.min(lengthBytes, storedBytesOf(row.shape, place) - offsetBytes);
    return this.#checks(row, place, offsetBytes, into.subarray(0, stored));
  }

  /** The part as the drive has it, checked; undefined where the drive fails or its bytes do not check. `borrowed` takes what the pool lent for it. */
  async #direct(
    { row, place, offsetBytes, lengthBytes }: ShardPart,
    drive: Drive,
    borrowed?: Uint8Array[],
  ): Promise<Uint8Array | undefined> {
    const at = row.shards[place];
    if (at === undefined) {
      return undefined;
    }
    const stored = Math.min(lengthBytes, Math.max(0, storedBytesOf(row.shape, place) - offsetBytes));
    const fromBytes = dataOffsetOf(at) + offsetBytes;
    const now = this.#memory(lengthBytes, borrowed);
    if (stored === 0 || drive.readNow({ segment: at.segment, offsetBytes: fromBytes, into: now.subarray(0, stored) })) {
      now.fill(0, stored);
      return stored === 0 || this.#checks(row, place, offsetBytes, now.subarray(0, stored)) ? now : undefined;
    }
    // Shared memory of its own: a read that is given up may still be written to by its drive, much later.
    const bytes = allocateShared(lengthBytes);
    const wanted = bytes.subarray(0, stored);
    try {
      await drive.read({ segment: at.segment, offsetBytes: fromBytes, into: wanted });
    } catch {
      this.#report(row, place, 'unreadable');
      return undefined;
    }
    return this.#checks(row, place, offsetBytes, wanted) ? bytes : undefined;
  }

  /** Of the pool where it is known when it is given back: new memory costs more than the read. */
  #memory(lengthBytes: number, borrowed: Uint8Array[] | undefined): Uint8Array {
    if (borrowed === undefined) {
      return Buffer.allocUnsafe(lengthBytes);
    }
    // Few different lengths, so that what is given back is found again.
    const memory = this.#deps.pool.take(2 ** Math.ceil(Math.log2(lengthBytes)));
    borrowed.push(memory);
    return memory.subarray(0, lengthBytes);
  }

  async #reconstructOr(part: ShardPart, into: Uint8Array, otherwise?: () => Promise<Uint8Array | undefined>): Promise<void> {
    if (otherwise === undefined) {
      await this.#compute(part, [{ ...part, bytes: into }]);
      return;
    }
    const bytes = new Uint8Array(part.lengthBytes);
    const computed = this.#compute(part, [{ ...part, bytes }]).then(() => bytes);
    // Whichever comes first; where the computation cannot be done, the slow drive is all there is.
    const winner = await Promise.race([computed.catch(() => undefined), otherwise()]);
    into.set(winner ?? (await otherwise()) ?? (await computed));
  }

  /** `wanted`: the same part of several shards. `others`: what is read already, or being read. */
  async #compute(part: StripePart, wanted: readonly Target[], others: readonly Target[] = []): Promise<void> {
    const { codec, pool, onReconstruction } = this.#deps;
    const { row, offsetBytes, lengthBytes } = part;
    const { shardBytes } = row.shape;
    if (!codec.isByteLocal && lengthBytes < shardBytes) {
      const whole = wanted.map((target) => ({ place: target.place, offsetBytes: 0, bytes: new Uint8Array(shardBytes) }));
      await this.#compute({ row, offsetBytes: 0, lengthBytes: shardBytes }, whole);
      wanted.forEach(({ bytes }, index) => {
        bytes.set(whole[index]?.bytes.subarray(offsetBytes, offsetBytes + lengthBytes) ?? []);
      });
      return;
    }
    const places = wanted.map(({ place }) => place);
    const borrowed: Uint8Array[] = [];
    try {
      const shards = await this.#survivors(part, places, { others, borrowed });
      await codec.reconstruct({ shards, wanted: places, into: wanted.map(({ bytes }) => bytes) });
    } finally {
      giveAll(pool, borrowed);
    }
    for (const { place, bytes } of wanted) {
      onReconstruction();
      const stored = Math.min(lengthBytes, Math.max(0, storedBytesOf(row.shape, place) - offsetBytes));
      // An index that was made anew has no sums of a shard that was not found; what it is computed from was checked.
      const hasSums = this.#deps.index.sums(row.stripeId, place) !== undefined;
      if (stored > 0 && hasSums && !this.#checks(row, place, offsetBytes, bytes.subarray(0, stored))) {
        throw lost({ ...part, place }, 'what was computed does not check');
      }
    }
  }

  /** The same range of dataShards other shards; those that fail are made up for by others while there are any. */
  async #survivors(
    part: StripePart,
    except: readonly number[],
    { others, borrowed }: { others: readonly Target[]; borrowed: Uint8Array[] },
  ): Promise<(Uint8Array | undefined)[]> {
    const { row, offsetBytes, lengthBytes } = part;
    const shards: (Uint8Array | undefined)[] = row.shards.map(() => undefined);
    const covering = others.filter(
      (each) => each.offsetBytes <= offsetBytes && each.offsetBytes + each.bytes.length >= offsetBytes + lengthBytes,
    );
    const candidates = this.#candidates(row, except, covering);
    let found = 0;
    while (found < row.shape.dataShards) {
      const next = candidates.splice(0, row.shape.dataShards - found);
      if (next.length === 0) {
        throw lost({ ...part, place: except[0] ?? 0 }, `${found} of the ${row.shape.dataShards} shards that are needed can be read`);
      }
      const read = await Promise.all(
        next.map(async (place) => {
          const other = covering.find((each) => each.place === place);
          return { place, bytes: other === undefined ? await this.#survivor({ ...part, place }, borrowed) : await partOf(other, part) };
        }),
      );
      for (const { place, bytes } of read) {
        shards[place] = bytes;
        found += bytes === undefined ? 0 : 1;
      }
    }
    return shards;
  }

  async #survivor(part: ShardPart, borrowed: Uint8Array[]): Promise<Uint8Array | undefined> {
    const { row, place, lengthBytes } = part;
    if (storedBytesOf(row.shape, place) === 0) {
      return new Uint8Array(lengthBytes);
    }
    const drive = this.#driveOf(row, place);
    return drive === undefined ? undefined : await this.#direct(part, drive, borrowed);
  }

  /** Those that cost nothing first, then healthy drives, then suspect ones. */
  #candidates(row: StripeRow, except: readonly number[], covering: readonly Target[]): number[] {
    const cost = (place: number): number => {
      if (storedBytesOf(row.shape, place) === 0 || covering.some((each) => each.place === place)) {
        return 0;
      }
      const drive = this.#driveOf(row, place);
      return drive === undefined ? 3 : drive.state === 'suspect' ? 2 : 1;
    };
    return Array.from({ length: shardCountOf(row.shape) }, (_, place) => place)
      .filter((place) => !except.includes(place) && cost(place) < 3)
      .sort((a, b) => cost(a) - cost(b));
  }

  /** One that can be read at once. */
  #readyDriveOf(row: StripeRow, place: number): Drive | undefined {
    const drive = this.#driveOf(row, place);
    return drive === undefined || drive.state === 'suspect' ? undefined : drive;
  }

  #driveOf(row: StripeRow, place: number): Drive | undefined {
    const at = row.shards[place];
    const drive = at === undefined ? undefined : this.#deps.drives.get(at.drive);
    return drive === undefined || drive.state === 'failed' ? undefined : drive;
  }

  #checks(row: StripeRow, place: number, offsetBytes: number, bytes: Uint8Array): boolean {
    const { index, checksums } = this.#deps;
    const sums = index.sums(row.stripeId, place);
    const first = offsetBytes / blockBytes;
    const generation = row.shards[place]?.generation ?? firstGeneration;
    const shard = { stripeId: row.stripeId, place, generation };
    if (bytes.length === blockBytes) {
      const isGood = checksums.crc32c(bytes, blockSeed(shard, first)) === sums?.[first];
      if (!isGood) {
        this.#report(row, place, 'corrupt');
      }
      return isGood;
    }
    const seeds = blockSeeds(checksums, shard, first, bytes.length / blockBytes);
    const found = checksums.crc32cBlocks(bytes, blockBytes, seeds);
    for (let block = 0; block < found.length; block += 1) {
      if (found[block] !== sums?.[first + block]) {
        this.#report(row, place, 'corrupt');
        return false;
      }
    }
    return true;
  }

  /** Nothing where the row is no longer what the index has: the shard was written anew while it was read, and its sums are the new one's. */
  #report(row: StripeRow, place: number, reason: BadShard['reason']): void {
    const generation = row.shards[place]?.generation ?? firstGeneration;
    const now = this.#deps.index.stripe(row.stripeId);
    if (now !== undefined && (now.shards[place]?.generation ?? firstGeneration) === generation) {
      this.#deps.onBadShard({ stripeId: row.stripeId, place, generation, reason });
    }
  }
}

function dataOffsetOf(at: { readonly offsetBlocks: number; readonly headerBlocks: number }): number {
  return (at.offsetBlocks + at.headerBlocks) * blockBytes;
}

function giveAll(pool: SharedPool, borrowed: readonly Uint8Array[]): void {
  for (const memory of borrowed) {
    pool.give(memory);
  }
}

/** Undefined where the read of it failed. */
async function partOf(other: Target, part: StripePart): Promise<Uint8Array | undefined> {
  try {
    await other.ready;
  } catch {
    return undefined;
  }
  const from = part.offsetBytes - other.offsetBytes;
  return other.bytes.subarray(from, from + part.lengthBytes);
}

function hedgeMsOf(drive: Drive): number {
  return Math.min(hedgeMsMax, Math.max(hedgeMsMin, 3 * drive.latency().readP99Ms));
}

async function soonest<T>(work: Promise<T>, lateMs: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, lateMs, 'late');
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** All of them, also after one failed: none may write to its target once this has thrown. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}

function lost({ row, place, offsetBytes, lengthBytes }: ShardPart, reason: string) {
  return new VaultError('LOST', { stripeId: row.stripeId, shard: place, offsetBytes, lengthBytes, reason });
}
