/**
 * Heals one stripe: writes anew, on other drives, the shards that are lost, bad, or on a drive that is being emptied.
 *
 * What is needed of the others is read and checked, all that is lost is computed from that one reading, and each shard becomes a record of a
 * higher generation with the meaning of the stripe. When they are synced, one change of the index names the new places, each only where the
 * row still names the old one. A crash before that leaves records that no row names, which go with their segment, and the old row; after it,
 * the old records are what no row names. No byte of the old ones is touched.
 */
import type { Drive } from '../adapters/drive/drive.ts';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { ErasureCodec } from '../domain/codec/erasure-codec.ts';
import { blockBytes, shardCountOf, storedBytesOf } from '../domain/geometry.ts';
import { placeShards } from '../domain/placement.ts';
import { encodeShardHeader } from '../domain/shard-record.ts';
import type { ShardHeader, ShardPlace, StripeRow } from '../domain/stripe.ts';
import { isSame, type ShardContent, type ShardRecordDeps, ShardRecords } from './shard-records.ts';
import type { StripeReader } from './stripe-reader.ts';
import { firstGeneration, sumsOf } from './stripe-writer.ts';

/** A shard whose drive fails under it is tried on so many others. */
const attemptsMax = 3;

export interface ShardFinding {
  readonly generation: number;
  /** `inconsistent`: it is what was written, and yet not what the others make it. */
  readonly reason: 'corrupt' | 'unreadable' | 'inconsistent';
}

export interface StripeHealerDeps extends ShardRecordDeps {
  readonly index: Pick<IndexStore, 'sums' | 'stripe' | 'change'>;
  readonly codec: ErasureCodec;
  readonly reader: Pick<StripeReader, 'readShard'>;
  /** Bytes that are about to be read or written. */
  readonly throttle: (bytes: number, signal: AbortSignal) => Promise<void>;
  /** Segments are not collected until the work is through. */
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
  /** Whether a drive is being emptied, though its state may not say so now. */
  readonly isLeaving: (drive: number) => boolean;
}

export interface HealOutcome {
  /**
   * `whole`: nothing is left to do. `waiting`: what is left needs drives that have room, or that answer. `lost`: it needs shards that are gone.
   * `changed`: the row is no longer what was begun with, so look again.
   */
  readonly kind: 'whole' | 'waiting' | 'lost' | 'changed';
  readonly reason?: string;
  /** Places whose shard was lost or bad when this began. */
  readonly missing: readonly number[];
  /** Places written anew. */
  readonly written: readonly number[];
  readonly writtenBytes: number;
}

interface NewShard {
  readonly place: number;
  readonly at: ShardPlace;
  readonly sums: Uint32Array;
}

export class StripeHealer {
  readonly #deps: StripeHealerDeps;

  constructor(deps: StripeHealerDeps) {
    this.#deps = deps;
  }

  /** Rejects with the signal's reason, and where the index failed. Everything else is an outcome. */
  async heal(stripeId: number, findings: ReadonlyMap<number, ShardFinding>, signal: AbortSignal): Promise<HealOutcome> {
    const row = this.#deps.index.stripe(stripeId);
    if (row === undefined) {
      return { kind: 'whole', missing: [], written: [], writtenBytes: 0 };
    }
    return await this.#deps.inFlight(async () => {
      const healing = new Healing(this.#deps, row, findings, signal);
      try {
        return await healing.run();
      } finally {
        healing.records.release();
      }
    });
  }
}

/** The healing of one row. */
class Healing {
  readonly records: ShardRecords;
  readonly #deps: StripeHealerDeps;
  readonly #row: StripeRow;
  readonly #findings: ReadonlyMap<number, ShardFinding>;
  readonly #signal: AbortSignal;
  readonly #read = new Map<number, ShardContent>();
  /** Lost or bad. */
  readonly #missing = new Set<number>();
  /** On drives that are being emptied. */
  readonly #leaving = new Set<number>();
  /** Not to be read as what it says it is. */
  readonly #distrusted = new Set<number>();
  #zeros: Uint8Array | undefined;

  constructor(deps: StripeHealerDeps, row: StripeRow, findings: ReadonlyMap<number, ShardFinding>, signal: AbortSignal) {
    this.#deps = deps;
    this.#row = row;
    this.#findings = findings;
    this.#signal = signal;
    this.records = new ShardRecords(deps);
  }

  async run(): Promise<HealOutcome> {
    const suspected = this.#look();
    await this.#readAll(suspected);
    const wanted = () => [...this.#missing, ...this.#leaving].sort((a, b) => a - b);
    if (wanted().length === 0) {
      return this.#outcome(suspected.some((place) => this.#read.get(place)?.state === 'unreachable') ? 'waiting' : 'whole', []);
    }
    if (this.#places(wanted(), new Set()).every((drive) => drive === undefined)) {
      return this.#outcome('waiting', [], 'no drive has room for its shards');
    }
    await this.#readAll([...this.#leaving].filter((place) => !this.#read.has(place)));
    const header = await this.#gather(wanted);
    if (this.#hasChanged()) {
      return this.#outcome('changed', []);
    }
    if (header === undefined) {
      return this.#unavailable([], 'no header of its shards can be read');
    }
    const computed = await this.#compute(wanted().filter((place) => this.#dataOf(place) === undefined));
    const ready = wanted().filter((place) => computed.has(place) || this.#dataOf(place) !== undefined);
    const written = await this.#writeAll(ready, header, (place) => this.#dataOf(place) ?? computed.get(place) ?? new Uint8Array(0));
    const committed = await this.#commit(written);
    if (committed.length < written.length) {
      return this.#outcome('changed', committed);
    }
    if (ready.length < wanted().length) {
      return this.#unavailable(committed, 'too few of its shards can be read');
    }
    const isAll = written.length === ready.length;
    return isAll ? this.#outcome('whole', committed) : this.#outcome('waiting', committed, 'no drive has room for its shards');
  }

  /** What the row and the states of the drives tell; returns the places that must be read to know more. */
  #look(): number[] {
    const suspected: number[] = [];
    this.#row.shards.forEach((at, place) => {
      if (at === undefined || !this.#deps.drives.holds(at.drive)) {
        this.#missing.add(place);
        return;
      }
      const finding = this.#findings.get(place);
      if (finding?.generation === at.generation) {
        if (finding.reason === 'inconsistent') {
          this.#missing.add(place);
          this.#distrusted.add(place);
          return;
        }
        suspected.push(place);
      }
      if (this.#deps.drives.get(at.drive)?.state === 'draining' || this.#deps.isLeaving(at.drive)) {
        this.#leaving.add(place);
      }
    });
    return suspected;
  }

  async #readAll(places: readonly number[]): Promise<void> {
    if (places.length === 0) {
      return;
    }
    await this.#deps.throttle(places.length * Math.max(this.#row.shape.shardBytes, blockBytes), this.#signal);
    await Promise.all(
      places.map(async (place) => {
        const content = await this.records.read(this.#row, place);
        this.#read.set(place, content);
        if (content.state === 'corrupt' || content.state === 'unreadable') {
          this.#missing.add(place);
          this.#leaving.delete(place);
        }
      }),
    );
  }

  /** Reads until what is wanted can be computed and the stripe's meaning is known, or nothing is left to read. Returns a header. */
  async #gather(wanted: () => readonly number[]): Promise<ShardHeader | undefined> {
    const { drives } = this.#deps;
    const rest = this.#row.shards
      .flatMap((at, place) => (at !== undefined && drives.holds(at.drive) && !this.#read.has(place) ? [{ at, place }] : []))
      .filter(({ place }) => !this.#missing.has(place))
      .sort((a, b) => Number(isSuspect(drives.get(a.at.drive))) - Number(isSuspect(drives.get(b.at.drive))))
      .map(({ place }) => place);
    for (;;) {
      const header = [...this.#read.values()].find((content) => content.header !== undefined)?.header;
      const mustCompute = wanted().some((place) => this.#dataOf(place) === undefined);
      const short = mustCompute ? this.#row.shape.dataShards - this.#usable().filter((data) => data !== undefined).length : 0;
      const next = rest.splice(0, Math.max(short, header === undefined ? 1 : 0));
      if (next.length === 0) {
        return header;
      }
      await this.#readAll(next);
    }
  }

  /** Of each shard its data, where they are known. */
  #usable(): (Uint8Array | undefined)[] {
    return Array.from({ length: shardCountOf(this.#row.shape) }, (_, place) => this.#dataOf(place));
  }

  /** As read; zeros where nothing is stored. */
  #dataOf(place: number): Uint8Array | undefined {
    if (this.#distrusted.has(place)) {
      return undefined;
    }
    if (storedBytesOf(this.#row.shape, place) === 0) {
      this.#zeros ??= new Uint8Array(this.#row.shape.shardBytes);
      return this.#zeros;
    }
    return this.#read.get(place)?.data;
  }

  async #compute(places: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>> {
    const { codec, index, checksums } = this.#deps;
    const { shape, stripeId, shards: old } = this.#row;
    const computed = new Map<number, Uint8Array>();
    if (places.length === 0) {
      return computed;
    }
    const shards = this.#usable();
    if (shards.filter((data) => data !== undefined).length < shape.dataShards) {
      return await this.#computePiecewise(places);
    }
    const into = places.map(() => this.records.take(shape.shardBytes));
    await codec.reconstruct({ shards, wanted: places, into });
    places.forEach((place, at) => {
      const data = into[at] ?? new Uint8Array(0);
      const known = this.#distrusted.has(place) ? undefined : index.sums(stripeId, place);
      const generation = old[place]?.generation ?? firstGeneration;
      const sums = sumsOf(checksums, { stripeId, place, generation }, data.subarray(0, storedBytesOf(shape, place)));
      // What was written once is known by its sums: a computation that gives something else must not replace it.
      if (known === undefined || isSame(sums, known)) {
        computed.set(place, data);
      }
    });
    return computed;
  }

  /** Fewer whole shards are left than are needed, but their bad blocks may lie apart from each other. */
  async #computePiecewise(places: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>> {
    const { codec, reader } = this.#deps;
    const computed = new Map<number, Uint8Array>();
    for (const place of codec.isByteLocal ? places : []) {
      const data = this.records.take(this.#row.shape.shardBytes);
      try {
        for (let at = 0; at < data.length; at += blockBytes) {
          this.#signal.throwIfAborted();
          await reader.readShard(this.#row, place, at, data.subarray(at, at + blockBytes));
        }
        computed.set(place, data);
      } catch {
        // Lost, which the outcome tells.
        this.#signal.throwIfAborted();
      }
    }
    return computed;
  }

  async #writeAll(places: readonly number[], header: ShardHeader, dataOf: (place: number) => Uint8Array): Promise<NewShard[]> {
    const { drives, checksums } = this.#deps;
    const { stripeId, shape, shards } = this.#row;
    const written: NewShard[] = [];
    const refused = new Set<number>();
    for (let attempt = 1; attempt <= attemptsMax && written.length < places.length; attempt += 1) {
      const left = places.filter((place) => !written.some((one) => one.place === place));
      const chosen = this.#places(left, refused, written);
      await this.#deps.throttle(left.length * Math.max(shape.shardBytes, blockBytes), this.#signal);
      await Promise.all(
        left.map(async (place) => {
          const drive = drives.get(chosen[place] ?? 0);
          if (drive === undefined) {
            return;
          }
          // A record that was rejected may be there all the same, so each attempt has a generation of its own.
          const generation = (shards[place]?.generation ?? firstGeneration) + attempt;
          const data = dataOf(place).subarray(0, storedBytesOf(shape, place));
          const sums = sumsOf(checksums, { stripeId, place, generation }, data);
          const bytes = encodeShardHeader({ ...header, place, generation, sums }, checksums);
          try {
            const at = await drive.write({ header: bytes, data, useReserve: true, priority: 'back' });
            written.push({ place, sums, at: { drive: drive.number, ...at, headerBlocks: bytes.length / blockBytes, generation } });
          } catch {
            // The drive has judged itself, its state tells; this shard goes elsewhere.
            refused.add(drive.number);
          }
        }),
      );
    }
    return written;
  }

  /** By place, a drive for each of those wanted: other than the one where its shard went bad, unless that is all there is. */
  #places(wanted: readonly number[], refused: ReadonlySet<number>, written: readonly NewShard[] = []): (number | undefined)[] {
    const { shape, stripeId, shards } = this.#row;
    const headerBytesMax = Math.max(1, ...shards.map((at) => at?.headerBlocks ?? 0)) * blockBytes;
    const drives = this.#deps.drives
      .takers(shape.shardBytes + headerBytesMax, { useReserve: true })
      .filter(({ number }) => !refused.has(number) && !this.#deps.isLeaving(number));
    const domains = new Map(this.#deps.drives.all().map(({ number, domain }) => [number, domain]));
    /** The drive of each place that keeps its shard, then those wanted. */
    const kept = shards.flatMap((at, place) => {
      const drive = written.find((one) => one.place === place)?.at.drive ?? (this.#isKept(place, wanted) ? at?.drive : undefined);
      return drive === undefined ? [] : [drive];
    });
    const choose = (from: typeof drives, taken: readonly (number | undefined)[]) =>
      placeShards({
        stripeId,
        shards: kept.length + wanted.length,
        parityShards: shape.parityShards,
        shardBytes: shape.shardBytes,
        domains,
        drives: from,
        taken,
      });
    const old = new Set(wanted.map((place) => shards[place]?.drive));
    const elsewhere = choose(
      drives.filter(({ number }) => !old.has(number)),
      kept,
    );
    const chosen = elsewhere.includes(undefined) ? choose(drives, elsewhere) : elsewhere;
    const byPlace: (number | undefined)[] = shards.map(() => undefined);
    wanted.forEach((place, at) => {
      byPlace[place] = chosen[kept.length + at];
    });
    return byPlace;
  }

  #isKept(place: number, wanted: readonly number[]): boolean {
    return !wanted.includes(place) && !this.#missing.has(place);
  }

  async #commit(written: readonly NewShard[]): Promise<number[]> {
    if (written.length === 0) {
      return [];
    }
    const { stripeId, shards: before } = this.#row;
    return await this.#deps.index.change((see) => {
      const current = see.stripe(stripeId);
      const taken = written.filter(({ place }) => current !== undefined && isSameShard(current.shards[place], before[place]));
      if (current === undefined || taken.length === 0) {
        return { writes: {}, result: [] };
      }
      const shards = [...current.shards];
      const sums: (Uint32Array | undefined)[] = shards.map(() => undefined);
      for (const one of taken) {
        shards[one.place] = one.at;
        sums[one.place] = one.sums;
      }
      return { writes: { stripes: [{ row: { ...current, shards }, sums }] }, result: taken.map(({ place }) => place) };
    });
  }

  /** A shard that was found bad was moved or written anew meanwhile, or its stripe has died. */
  #hasChanged(): boolean {
    const current = this.#deps.index.stripe(this.#row.stripeId);
    return this.#row.shards.some((at, place) => {
      const now = current?.shards[place];
      return !isSameShard(now, at) || now?.segment !== at?.segment || now?.offsetBlocks !== at?.offsetBlocks;
    });
  }

  #unavailable(written: readonly number[], reason: string): HealOutcome {
    const unreachable = [...this.#read.values()].filter(({ state }) => state === 'unreachable').length;
    const known = this.#usable().filter((data) => data !== undefined).length;
    const mayCome = unreachable > 0 && known + unreachable >= this.#row.shape.dataShards;
    return mayCome ? this.#outcome('waiting', written, 'drives do not answer') : this.#outcome('lost', written, reason);
  }

  #outcome(kind: HealOutcome['kind'], written: readonly number[], reason?: string): HealOutcome {
    const writtenBytes = written.reduce((sum, place) => sum + storedBytesOf(this.#row.shape, place) + blockBytes, 0);
    return { kind, missing: [...this.#missing], written, writtenBytes, ...(reason !== undefined && { reason }) };
  }
}

function isSuspect(drive: Drive | undefined): boolean {
  return drive?.state !== 'online' && drive?.state !== 'draining';
}

function isSameShard(a: ShardPlace | undefined, b: ShardPlace | undefined): boolean {
  return a?.generation === b?.generation && a?.drive === b?.drive;
}
