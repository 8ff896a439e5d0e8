/** Drives and an index in memory with the real writer, reader and code over them: what tests of healing start from. */
import { createLogger } from '@couchestor/shared/logger';
import { SharedPool } from '../adapters/shared-buffers.ts';
import { applyEffects } from '../domain/apply-effects.ts';
import { CauchyCodec } from '../domain/codec/cauchy-codec.ts';
import { referenceChecksums } from '../domain/codec/crc32c.ts';
import { referenceEngine } from '../domain/codec/reference-engine.ts';
import { blockBytes, shapeOf } from '../domain/geometry.ts';
import { encodeShardHeader } from '../domain/shard-record.ts';
import type { Effect, ShardPlace, StripeRow } from '../domain/stripe.ts';
import { DriveSet } from './drive-set.ts';
import { MemoryDrive } from './memory-drive.fixture.ts';
import { MemoryIndex } from './memory-index.fixture.ts';
import { Rebuilder, type RebuilderDeps } from './rebuilder.ts';
import { ShardRecords } from './shard-records.ts';
import { type BadShard, StripeReader } from './stripe-reader.ts';
import { StripeWriter, sumsOf } from './stripe-writer.ts';
import type { LongCall } from './vault-api.ts';

export class HealWorld {
  readonly index = new MemoryIndex();
  readonly drives = new DriveSet();
  readonly pool = new SharedPool();
  readonly checksums = referenceChecksums;
  readonly codec: CauchyCodec;
  readonly reader: StripeReader;
  readonly writer: StripeWriter;
  readonly code: { readonly dataShards: number; readonly parityShards: number };
  readonly told: string[] = [];
  readonly payloads = new Map<number, Uint8Array>();
  readonly #memoryDrives: MemoryDrive[] = [];
  onBadShard: (bad: BadShard) => void = () => undefined;

  constructor(o: { dataShards: number; parityShards: number; drives: number }) {
    this.code = o;
    this.codec = new CauchyCodec(o, referenceEngine);
    for (let number = 1; number <= o.drives; number += 1) {
      this.addDrive(number);
    }
    const { index, drives, codec, checksums, pool } = this;
    const onBadShard = (bad: BadShard) => this.onBadShard(bad);
    this.reader = new StripeReader({ index, drives, codec, checksums, pool, onBadShard, onReconstruction: () => undefined });
    this.writer = new StripeWriter({
      vaultId: index.vaultId,
      codecName: 'isal-compatible',
      codec,
      checksums,
      drives,
      pool,
      nextStripeId: () => index.nextStripeId(),
      appliedLsn: () => index.appliedLsn,
      minHealthyShards: () => o.dataShards,
      onWritten: () => undefined,
    });
  }

  addDrive(number: number): MemoryDrive {
    const drive = new MemoryDrive({ number });
    this.drives.set(drive);
    this.#memoryDrives[number] = drive;
    return drive;
  }

  drive(number: number): MemoryDrive {
    const drive = this.#memoryDrives[number];
    if (drive === undefined) {
      throw new RangeError(`no drive ${number}`);
    }
    return drive;
  }

  allDrives(): MemoryDrive[] {
    return Object.values(this.#memoryDrives);
  }

  /** So many blocks of layer 1 from `firstBlock` on, or a stripe that zeroes a block. */
  async write(blocks: number, firstBlock = 0): Promise<number> {
    const shape = shapeOf(this.code, blocks * blockBytes);
    const data = this.pool.take(shape.dataShards * shape.shardBytes);
    data.fill(0);
    const payload = data.subarray(0, shape.payloadBytes);
    payload.forEach((_, at) => {
      payload[at] = (at * 31 + (at >> 8) * 7 + blocks + firstBlock) % 251;
    });
    const lsn = this.index.changes + 1;
    const effects: Effect[] =
      blocks === 0
        ? [{ kind: 'zeroes', layer: 1, firstBlock, blocks: 1, lsn }]
        : [{ kind: 'blocks', layer: 1, firstBlock, blocks, offsetBytes: 0, lsn }];
    const written = await this.writer.write({ shape, data, effects });
    const { stripeId } = written.row;
    this.payloads.set(stripeId, Uint8Array.from(payload));
    await this.index.change((see) => ({ writes: applyEffects(see, { stripe: { ...written, effects } }), result: undefined }));
    return stripeId;
  }

  row(stripeId: number): StripeRow {
    const row = this.index.stripe(stripeId);
    if (row === undefined) {
      throw new RangeError(`no stripe ${stripeId}`);
    }
    return row;
  }

  at(stripeId: number, place: number): ShardPlace {
    const at = this.row(stripeId).shards[place];
    if (at === undefined) {
      throw new RangeError(`no shard ${place} of stripe ${stripeId}`);
    }
    return at;
  }

  corrupt(stripeId: number, place: number, part: 'data' | 'header' = 'data', offsetBytes = 0): void {
    const at = this.at(stripeId, place);
    this.drive(at.drive).corrupt(at, part, offsetBytes);
  }

  /** Writes other bytes than the code gives for a shard, with sums that fit them. */
  async forge(stripeId: number, place: number): Promise<void> {
    const row = this.row(stripeId);
    const { header } = await new ShardRecords(this).read(row, place);
    if (header === undefined) {
      throw new RangeError('no header to forge');
    }
    const { generation, drive, headerBlocks } = this.at(stripeId, place);
    const data = new Uint8Array(row.shape.shardBytes).fill(0x66);
    const sums = sumsOf(this.checksums, { stripeId, place, generation }, data);
    const at = await this.drive(drive).write({ header: encodeShardHeader({ ...header, sums }, this.checksums), data });
    const shards = row.shards.map((one, index) => (index === place ? { drive, headerBlocks, generation, ...at } : one));
    const newSums = row.shards.map((_, index) => (index === place ? sums : undefined));
    await this.index.change(() => ({ writes: { stripes: [{ row: { ...row, shards }, sums: newSums }] }, result: undefined }));
  }

  rebuilder(overrides: Partial<RebuilderDeps> = {}): Rebuilder {
    const rebuilder = new Rebuilder({
      ...this,
      throttle: async () => undefined,
      inFlight: (work) => work(),
      logger: createLogger({ name: 'test', level: 'error', json: true, to: { write: (line) => void this.told.push(line) } }),
      onDegraded: ({ stripeId, missingShards }) => this.told.push(`degraded ${stripeId} by ${missingShards}`),
      onRebuilt: ({ stripeId }) => this.told.push(`rebuilt ${stripeId}`),
      onLost: ({ stripeId }) => this.told.push(`lost ${stripeId}`),
      onFailed: (error) => this.told.push(`failed ${error}`),
      ...overrides,
    });
    this.onBadShard = (bad) => rebuilder.report(bad);
    for (const drive of this.allDrives()) {
      drive.onStateChange(() => rebuilder.drivesChanged());
    }
    return rebuilder;
  }

  /** What is wrong: shards that are not there, do not check, share a drive, or hold something else than was written. Empty where all is well. */
  async flaws(): Promise<string[]> {
    const flaws: string[] = [];
    for (const row of this.index.stripes()) {
      const { stripeId, shape } = row;
      const name = (place: number) => `${stripeId}/${place}`;
      const records = new ShardRecords(this);
      const contents = await Promise.all(row.shards.map((_, place) => records.read(row, place)));
      contents.forEach(({ state, header }, place) => {
        if (state !== 'good') {
          flaws.push(`${name(place)} is ${state}`);
        }
        if (header?.effects.length !== 1) {
          flaws.push(`${name(place)} has lost its meaning`);
        }
      });
      const used = row.shards.map((at) => at?.drive);
      if (new Set(used).size < used.length) {
        flaws.push(`${stripeId} is on drives ${used.join()}`);
      }
      const data = contents.map((content) => content.data);
      if (shape.shardBytes > 0 && !data.includes(undefined)) {
        const whole = Buffer.concat(data.slice(0, shape.dataShards).filter((one) => one !== undefined));
        const payload = this.payloads.get(stripeId) ?? new Uint8Array(0);
        if (!whole.subarray(0, shape.payloadBytes).equals(payload)) {
          flaws.push(`${stripeId} holds something else`);
        }
        const wrong = await this.codec.verify(data.filter((one) => one !== undefined));
        flaws.push(...wrong.map((place) => `${name(place)} is wrong parity`));
      }
    }
    return flaws;
  }

  /** Reads the whole payload as a client does. */
  async read(stripeId: number): Promise<Uint8Array> {
    const row = this.row(stripeId);
    const bytes = Buffer.alloc(row.shape.payloadBytes);
    await this.reader.read(row, 0, bytes);
    return bytes;
  }

  /** What the records on a drive say they are. */
  async recordsOn(drive: number): Promise<string[]> {
    const found: string[] = [];
    for (const { segment } of await this.drive(drive).segments()) {
      for await (const record of this.drive(drive).scan(segment)) {
        found.push('header' in record ? `${record.header.stripeId}/${record.header.place}.${record.header.generation}` : record.problem);
      }
    }
    return found;
  }
}

export const call = (): LongCall => ({ signal: new AbortController().signal, report: () => undefined });
