/**
 * Brings the copies of the journal level and starts the log.
 *
 * Copies of the newest epoch count. Records that one of them lacks, and all of them for a folder that is empty, stale or new, are written to it and
 * synced first; then the first record of the new epoch names who is level. A crash before that leaves the old epoch, and all is done again.
 */
import { closeSync, constants, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { describeError } from '@couchestor/shared/errors';
import type { ChecksumEngine } from '../../domain/codec/crc32c.ts';
import { blockBytes } from '../../domain/geometry.ts';
import type { JournalMap } from '../../domain/journal-map.ts';
import {
  decodeHeader,
  headerBytesOf,
  type RecordBytes,
  recordBytesOf,
  recordKinds,
  recordUnitBytes,
  sumWord,
  vaultSeedOf,
} from '../../domain/journal-record.ts';
import { type CopyMeta, newCopyId, readMeta, segmentPath, segmentsOf, syncDir, writeMeta } from './copy-files.ts';
import { JournalError } from './errors.ts';
import type { JournalOptions, JournalPlace } from './journal.ts';
import { type ReplayEnd, type ReplayedRecord, replay } from './replay.ts';
import { handleOf, Segments, sumIndexOf } from './segments.ts';

/** Copies are numbered by bits of a word. */
const copiesMax = 31;

interface FoundCopy {
  readonly place: JournalPlace;
  readonly meta: CopyMeta | undefined;
  readonly segments: readonly number[];
}

export interface LevelCopy {
  readonly place: JournalPlace;
  readonly number: number;
  readonly copyId: string;
}

export interface OpenedLog {
  readonly copies: readonly LevelCopy[];
  readonly spares: readonly FoundCopy[];
  /** Places that cannot be used, and why. */
  readonly unusable: readonly (JournalPlace & { readonly reason: string })[];
  readonly end: ReplayEnd;
  readonly vaultSeed: number;
  readonly segments: Segments;
  readonly meta: Omit<CopyMeta, 'copyId'>;
}

export async function openLog(o: JournalOptions & { segmentBytes: number; map: JournalMap }): Promise<OpenedLog> {
  const unusable: (JournalPlace & { reason: string })[] = [];
  let damaged: Error | undefined;
  const found: FoundCopy[] = [];
  for (const place of o.places) {
    try {
      const meta = await readMeta(place.path, o.checksums);
      found.push({ place, meta, segments: await segmentsOf(place.path) });
    } catch (error) {
      if (JournalError.is(error, 'BAD_FORMAT')) {
        damaged = error;
      } else if (JournalError.is(error)) {
        throw error;
      }
      o.logger.error({ err: error, path: place.path }, 'a place for the journal cannot be used');
      unusable.push({ ...place, reason: describeError(error) });
    }
  }
  // A folder that may hold the only copy must not be passed over for empty ones.
  if (damaged !== undefined && o.acceptLoss !== true && found.every(({ meta }) => meta === undefined)) {
    throw damaged;
  }
  if (found.length === 0) {
    throw new JournalError('NO_COPY', { problems: unusable.map(({ path, reason }) => `${path}: ${reason}`).join('; ') });
  }
  const vaultSeed = vaultSeedOf(o.vaultId, o.checksums);
  const state = await newestEpoch(found, o, vaultSeed);
  const counting = membersFirst(found, state, o);
  const copies = choose(counting, state, o.replicationFactor);
  const opened = await level(counting, copies, state, { ...o, vaultSeed });
  const spares = found.filter(({ place }) => !copies.some((copy) => copy.place === place));
  return { ...opened, copies, spares, unusable, vaultSeed };
}

interface EpochState {
  readonly epoch: number;
  readonly members: Readonly<Record<string, string>>;
  readonly durableLsn: number;
  readonly acceptedLosses: CopyMeta['acceptedLosses'];
  /** Some folder holds a journal. */
  readonly exists: boolean;
}

/** The files journal.json tell it, and the end of each log, whichever is newer. */
async function newestEpoch(found: readonly FoundCopy[], o: JournalOptions, vaultSeed: number): Promise<EpochState> {
  let newest: CopyMeta | undefined;
  for (const { place, meta } of found) {
    if (meta !== undefined && meta.vaultId !== o.vaultId) {
      throw new JournalError('WRONG_VAULT', { path: place.path, vaultId: meta.vaultId, expected: o.vaultId });
    }
    newest = meta !== undefined && meta.epoch >= (newest?.epoch ?? 0) ? meta : newest;
  }
  if (newest === undefined) {
    return { epoch: 0, members: {}, durableLsn: 0, acceptedLosses: [], exists: false };
  }
  const { epoch, members } = await newestInLogs(found, { epoch: newest.epoch, members: newest.members }, { ...o, vaultSeed });
  const durableLsn = Math.max(...found.map(({ meta }) => meta?.durableLsn ?? 0));
  return { epoch, members, durableLsn, acceptedLosses: newest.acceptedLosses, exists: true };
}

async function newestInLogs(
  found: readonly FoundCopy[],
  known: { epoch: number; members: Readonly<Record<string, string>> },
  o: JournalOptions & { vaultSeed: number },
): Promise<{ epoch: number; members: Readonly<Record<string, string>> }> {
  let newest = known;
  for (const { place, segments } of found) {
    for (const segment of segments.toReversed()) {
      const view = await loadSegment(place.path, segment);
      let hasRecords = false;
      for (let offsetBytes = 0; view !== undefined && offsetBytes + recordUnitBytes <= view.bytes.length; offsetBytes += recordUnitBytes) {
        const fields = decodeHeader(view, offsetBytes, { vaultSeed: o.vaultSeed, segment, offsetBytes }, o.checksums);
        if (typeof fields === 'object') {
          hasRecords = true;
          if (fields.epoch > newest.epoch) {
            newest = { epoch: fields.epoch, members: membersOf(fields.members, newest.members) };
          }
        }
      }
      if (hasRecords) {
        break;
      }
    }
  }
  return newest;
}

function membersOf(bits: number, known: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(known).filter(([number]) => (bits & (1 << Number(number))) !== 0));
}

function isMember(copy: FoundCopy, state: EpochState): boolean {
  return copy.meta !== undefined && Object.values(state.members).includes(copy.meta.copyId);
}

/** Copies that count before the others, whose records serve repair alone. Throws where none counts. */
function membersFirst(found: readonly FoundCopy[], state: EpochState, o: JournalOptions): FoundCopy[] {
  const members = found.filter((copy) => isMember(copy, state));
  const others = found.filter((copy) => !isMember(copy, state));
  if (members.length === 0 && !o.acceptLoss) {
    if (state.exists) {
      throw new JournalError('STALE', { present: others.map((copy) => copy.place.path).join(), epoch: state.epoch });
    }
    if (o.appliedLsn > 0) {
      throw new JournalError('MISSING', { places: o.places.map((place) => place.path).join(), appliedLsn: o.appliedLsn });
    }
  }
  const missing = Object.values(state.members).length - members.length;
  if (missing > 0 && members.length > 0) {
    o.logger.warn(
      { missing, present: members.map((copy) => copy.place.path).join() },
      'copies of the journal are missing; it goes on with the others',
    );
  }
  return [...members, ...others.sort((a, b) => (b.meta?.epoch ?? 0) - (a.meta?.epoch ?? 0))];
}

/** Each in a domain of its own; those that are level already come first. */
function choose(counting: readonly FoundCopy[], state: EpochState, wanted: number): LevelCopy[] {
  const chosen: LevelCopy[] = [];
  const taken = new Set(Object.keys(state.members).map(Number));
  const domains = new Set<string>();
  for (const copy of counting) {
    if (chosen.length < wanted && !domains.has(copy.place.domain)) {
      domains.add(copy.place.domain);
      const own = Object.entries(state.members).find(([, copyId]) => copyId === copy.meta?.copyId);
      const number = own === undefined ? firstFree(taken) : Number(own[0]);
      taken.add(number);
      chosen.push({ place: copy.place, number, copyId: copy.meta?.copyId ?? newCopyId() });
    }
  }
  return chosen;
}

function firstFree(taken: ReadonlySet<number>): number {
  for (let number = 0; number < copiesMax; number += 1) {
    if (!taken.has(number)) {
      return number;
    }
  }
  throw new JournalError('NO_COPY', { copies: taken.size });
}

async function level(
  counting: readonly FoundCopy[],
  copies: readonly LevelCopy[],
  state: EpochState,
  o: JournalOptions & { segmentBytes: number; map: JournalMap; vaultSeed: number },
): Promise<Pick<OpenedLog, 'end' | 'segments' | 'meta'>> {
  const targets = counting.map((copy) => copies.find((each) => each.place === copy.place));
  const files = new RepairFiles();
  const segments = new Segments();
  const onRecord = (record: ReplayedRecord) => {
    for (const lacking of record.lacking) {
      const target = targets[lacking];
      if (target !== undefined) {
        files.write(target.place.path, record);
      }
    }
    take(record, segments, o);
  };
  const end = await replay({
    segments: [...new Set(counting.flatMap((copy) => copy.segments))].sort((a, b) => a - b),
    load: async (segment, bytesMax) => await Promise.all(counting.map((copy) => loadSegment(copy.place.path, segment, bytesMax))),
    fromLsn: o.appliedLsn + 1,
    durableLsn: state.durableLsn,
    acceptedLosses: state.acceptedLosses,
    acceptLoss: o.acceptLoss ?? false,
    vaultSeed: o.vaultSeed,
    checksums: o.checksums,
    onRecord,
  });
  files.close();
  for (const copy of copies) {
    await settle(copy.place.path, end);
  }
  const { epoch, acceptedLosses } = state;
  const losses = [...acceptedLosses.filter(([, to]) => to > o.appliedLsn), ...end.losses.map(([from, to]): [number, number] => [from, to])];
  if (end.losses.length > 0) {
    o.logger.error({ losses: JSON.stringify(end.losses) }, 'acknowledged records of the journal are lost; this was accepted');
  }
  const meta = { format: 1 as const, vaultId: o.vaultId, members: {}, durableLsn: end.nextLsn - 1, acceptedLosses: losses };
  return { end, segments, meta: { ...meta, epoch: Math.max(epoch, end.epoch) } };
}

/** Into memory: which blocks it holds, and the sums of its data. */
function take(record: ReplayedRecord, segments: Segments, o: JournalOptions & { segmentBytes: number; map: JournalMap }): void {
  const { fields, offsetBytes } = record;
  const known = segments.get(record.segment) ?? segments.begin(record.segment, o.segmentBytes);
  known.lastLsn = fields.lsn;
  known.usedBytes = offsetBytes + record.bytes.length;
  if (fields.lsn <= o.appliedLsn) {
    return;
  }
  if (fields.kind === recordKinds.zero) {
    o.map.zero(fields);
  } else if (fields.kind === recordKinds.mapped) {
    o.map.mapped(fields);
  } else if (fields.kind === recordKinds.data) {
    const first = offsetBytes + headerBytesOf(fields.kind, fields.blocks);
    const view = new DataView(record.bytes.buffer, record.bytes.byteOffset, record.bytes.byteLength);
    for (let block = 0; block < fields.blocks; block += 1) {
      const at = first + block * blockBytes;
      if (sumIndexOf(at) >= known.sums.length) {
        const larger = new Uint32Array(sumIndexOf(at) * 2);
        larger.set(known.sums);
        known.sums = larger;
      }
      known.sums[sumIndexOf(at)] = view.getUint32(sumWord(0, block) * 4, true);
      o.map.data(fields.layer, fields.firstBlock + block, fields.lsn, handleOf(record.segment, at));
    }
  }
}

class RepairFiles {
  readonly #files = new Map<string, number>();

  write(dir: string, record: ReplayedRecord): void {
    const path = segmentPath(dir, record.segment);
    let file = this.#files.get(path);
    if (file === undefined) {
      file = openSync(path, constants.O_CREAT | constants.O_WRONLY, 0o640);
      this.#files.set(path, file);
    }
    writeSync(file, record.bytes, 0, record.bytes.length, record.offsetBytes);
  }

  close(): void {
    for (const file of this.#files.values()) {
      fdatasyncSync(file);
      closeSync(file);
    }
    this.#files.clear();
  }
}

/** What a killed process had written may not be synced yet, and is about to be relied on. What is not needed any more goes. */
async function settle(dir: string, end: ReplayEnd): Promise<void> {
  const needed = new Set(end.end === undefined ? [] : end.segments.filter((segment) => segment <= (end.end?.segment ?? 0)));
  for (const segment of await segmentsOf(dir)) {
    if (needed.has(segment)) {
      const file = await open(segmentPath(dir, segment), 'r+');
      try {
        await file.datasync();
      } finally {
        await file.close();
      }
    } else {
      await unlink(segmentPath(dir, segment));
    }
  }
  await syncDir(dir);
}

/** Undefined where there is no such segment, or where it cannot be read. */
async function loadSegment(dir: string, segment: number, bytesMax?: number): Promise<RecordBytes | undefined> {
  try {
    const file = await open(segmentPath(dir, segment), 'r');
    try {
      const length = Math.min((await file.stat()).size, bytesMax ?? Number.POSITIVE_INFINITY);
      const bytes = new Uint8Array(new ArrayBuffer(Math.ceil(length / 4) * 4));
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(bytes, at, length - at, at);
        if (bytesRead === 0) {
          break;
        }
        at += bytesRead;
      }
      return recordBytesOf(bytes);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** To those who are members from now on, and to those who are not any more, so that they cannot be taken for the newest when they are alone. */
export async function writeMetas(o: {
  opened: OpenedLog;
  epoch: number;
  durableLsn: number;
  members: readonly LevelCopy[];
  /** May fail. */
  former: readonly { readonly path: string; readonly copyId: string }[];
  checksums: ChecksumEngine;
}): Promise<void> {
  const members = Object.fromEntries(o.members.map((copy) => [String(copy.number), copy.copyId]));
  const meta = { ...o.opened.meta, durableLsn: o.durableLsn, members, epoch: o.epoch };
  for (const copy of o.members) {
    await writeMeta(copy.place.path, { ...meta, copyId: copy.copyId }, o.checksums);
  }
  await Promise.allSettled(o.former.map(async ({ path, copyId }) => await writeMeta(path, { ...meta, copyId }, o.checksums)));
}
