/**
 * Reads the log of all copies side by side, record by record, each from the first copy that has it whole.
 *
 * A place where no copy has the next record is a torn tail, unless something says that this record was acknowledged: a later record whose
 * durableLsn reaches it, or the file journal.json of a clean end. What a crash leaves of the last batch, in whatever order the kernel wrote it, says
 * nothing of the kind, so it is dropped; what was acknowledged is either there or named as lost. One thing cannot be told apart: damage to the very
 * last batch of a single copy after a crash looks like a batch that never was on disk.
 */
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import {
  dataIsWhole,
  decodeHeader,
  type RecordBytes,
  type RecordFields,
  recordKinds,
  recordLengthOf,
  recordUnitBytes,
} from '../../domain/journal-record.ts';
import { JournalError } from './errors.ts';

export interface ReplayInput {
  /** In rising order: all that any copy has. */
  readonly segments: readonly number[];
  /** What each copy has of a segment, those that count first; undefined where it has none. */
  readonly load: (segment: number, bytesMax?: number) => Promise<readonly (RecordBytes | undefined)[]>;
  readonly fromLsn: number;
  /** Acknowledged at least up to here. */
  readonly durableLsn: number;
  readonly acceptedLosses: readonly (readonly [number, number])[];
  readonly acceptLoss: boolean;
  readonly vaultSeed: number;
  readonly checksums: ChecksumEngine;
  /** Called for every record from the first segment needed on, in order. */
  readonly onRecord: (record: ReplayedRecord) => void;
}

export interface ReplayedRecord {
  readonly fields: RecordFields;
  readonly segment: number;
  readonly offsetBytes: number;
  /** The whole record. */
  readonly bytes: Uint8Array;
  /** Of the copies in `load`'s order: whose bytes are others. */
  readonly lacking: readonly number[];
}

export interface ReplayEnd {
  readonly nextLsn: number;
  readonly epoch: number;
  /** Where the next record goes; undefined where there is no segment yet. */
  readonly end: { readonly segment: number; readonly offsetBytes: number } | undefined;
  /** From the first segment that was read on. */
  readonly segments: readonly number[];
  readonly losses: readonly (readonly [number, number])[];
}

type Views = readonly (RecordBytes | undefined)[];
interface Found {
  readonly fields: RecordFields;
  readonly view: RecordBytes;
}

export async function replay(o: ReplayInput): Promise<ReplayEnd> {
  return await new Replay(o).run();
}

class Replay {
  readonly #o: ReplayInput;
  readonly #firstLsns: (number | undefined)[] = [];
  readonly #losses: [number, number][] = [];
  #nextLsn: number;
  #epoch = 0;
  /** False after a gap: records of a later epoch may follow. */
  #isEpochSure = false;

  constructor(o: ReplayInput) {
    this.#o = o;
    this.#nextLsn = o.fromLsn;
  }

  async run(): Promise<ReplayEnd> {
    const { segments, fromLsn } = this.#o;
    for (const segment of segments) {
      const views = await this.#o.load(segment, recordUnitBytes);
      this.#firstLsns.push(this.#headersAt(views, segment, 0).map((found) => found.fields.lsn)[0]);
    }
    const start = Math.max(
      0,
      this.#firstLsns.findLastIndex((lsn) => lsn !== undefined && lsn <= fromLsn),
    );
    this.#nextLsn = Math.min(fromLsn, this.#firstLsns[start] ?? fromLsn);
    const end = await this.#walk(start);
    const known = this.#o.durableLsn;
    if (known >= Math.max(fromLsn, this.#nextLsn)) {
      this.#lose(Math.max(fromLsn, this.#nextLsn), known, end);
      this.#nextLsn = known + 1;
    }
    return { nextLsn: this.#nextLsn, epoch: this.#epoch, end, segments: segments.slice(start), losses: this.#losses };
  }

  async #walk(start: number): Promise<ReplayEnd['end']> {
    const { segments } = this.#o;
    let end: ReplayEnd['end'];
    let [index, at] = [start, 0];
    for (let segment = segments[index]; segment !== undefined; segment = segments[index]) {
      const views = await this.#o.load(segment);
      end ??= { segment, offsetBytes: 0 };
      const from = at;
      at = this.#readOn(views, segment, at);
      if (at > from) {
        end = { segment, offsetBytes: at };
      }
      if (this.#firstLsns[index + 1] === this.#nextLsn) {
        [index, at] = [index + 1, 0];
        continue;
      }
      const found = await this.#afterGap(index, views, at);
      if (found === undefined) {
        return end;
      }
      const lost: [number, number] = [Math.max(this.#nextLsn, this.#o.fromLsn), found.lsn - 1];
      if (lost[0] <= lost[1]) {
        this.#lose(...lost, { segment, offsetBytes: at });
      }
      this.#nextLsn = found.lsn;
      this.#isEpochSure = false;
      [index, at] = [found.index, found.at];
    }
    return end;
  }

  /** Record by record; where it cannot go on, the place is returned. */
  #readOn(views: Views, segment: number, from: number): number {
    let at = from;
    for (let found = this.#pick(views, segment, at); found !== undefined; found = this.#pick(views, segment, at)) {
      const { fields, view } = found;
      const length = recordLengthOf(fields.kind, fields.blocks);
      const bytes = view.bytes.subarray(at, at + length);
      const lacking = [...views.keys()].filter((copy) => !isSame(views[copy], at, bytes));
      this.#o.onRecord({ fields, segment, offsetBytes: at, bytes, lacking });
      this.#nextLsn = fields.lsn + 1;
      this.#epoch = fields.epoch;
      this.#isEpochSure = true;
      at += length;
    }
    return at;
  }

  /** An epoch changes by its record alone: what an earlier one left here, or a dropped copy, does not go on from what was read. */
  #pick(views: Views, segment: number, at: number): Found | undefined {
    return this.#headersAt(views, segment, at).find(
      ({ fields, view }) => fields.lsn === this.#nextLsn && this.#fitsEpoch(fields) && dataIsWhole(view, at, fields, this.#o.checksums),
    );
  }

  #fitsEpoch(fields: RecordFields): boolean {
    return this.#isEpochSure && fields.kind !== recordKinds.epoch ? fields.epoch === this.#epoch : fields.epoch >= this.#epoch;
  }

  /** The highest epoch first. */
  #headersAt(views: Views, segment: number, at: number): Found[] {
    const found: Found[] = [];
    const position = { vaultSeed: this.#o.vaultSeed, segment, offsetBytes: at };
    for (const view of views) {
      const fields = view && decodeHeader(view, at, position, this.#o.checksums);
      if (fields === 'newer') {
        throw new JournalError('NEWER_VERSION', { segment, offsetBytes: at });
      }
      if (view !== undefined && fields !== undefined) {
        found.push({ fields, view });
      }
    }
    return found.length < 2 ? found : found.sort((a, b) => b.fields.epoch - a.fields.epoch);
  }

  /** Where reading can go on after a gap, if what is missing was acknowledged. */
  async #afterGap(index: number, views: Views, at: number): Promise<{ index: number; at: number; lsn: number } | undefined> {
    const needed = Math.max(this.#nextLsn, this.#o.fromLsn);
    let first: { index: number; at: number; lsn: number } | undefined;
    for (let later = index; later < this.#o.segments.length; later += 1) {
      const segment = this.#o.segments[later] ?? 0;
      const those = later === index ? views : await this.#o.load(segment);
      const length = Math.max(0, ...those.map((view) => view?.bytes.length ?? 0));
      for (let offset = later === index ? at : 0; offset + recordUnitBytes <= length; offset += recordUnitBytes) {
        const found = this.#headersAt(those, segment, offset).find(
          ({ fields }) =>
            fields.lsn >= this.#nextLsn &&
            fields.epoch >= this.#epoch &&
            !(later === index && offset === at && fields.lsn === this.#nextLsn),
        );
        if (found !== undefined) {
          first ??= { index: later, at: offset, lsn: found.fields.lsn };
          // A record at or below what is needed from now on proves nothing lost: reading simply goes on there.
          if (found.fields.durableLsn >= needed || first.lsn <= needed || this.#o.durableLsn >= needed) {
            return first;
          }
        }
      }
    }
    return undefined;
  }

  #lose(from: number, to: number, where: { segment: number; offsetBytes: number } | undefined): void {
    if (this.#o.acceptedLosses.some(([first, last]) => first <= from && to <= last)) {
      return;
    }
    if (!this.#o.acceptLoss) {
      throw new JournalError('CORRUPT', { fromLsn: from, toLsn: to, segment: where?.segment, offsetBytes: where?.offsetBytes });
    }
    this.#losses.push([from, to]);
  }
}

function isSame(view: RecordBytes | undefined, at: number, bytes: Uint8Array): boolean {
  return (
    view !== undefined && at + bytes.length <= view.bytes.length && Buffer.compare(view.bytes.subarray(at, at + bytes.length), bytes) === 0
  );
}
