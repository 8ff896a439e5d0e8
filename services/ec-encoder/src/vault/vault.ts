/**
 * The vault: journal, stripes, map and drives of one ErasureCodingPolicy, and the loops that keep them in order.
 *
 * Opened from the bottom up: data folder and index, policy, drives, journal (replayed from where the stripes end), then what writes and reads,
 * then the loops. Closed the other way round, with the journal's seal as the last word.
 */

import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationResult, VaultStatus } from '@couchestor/shared/contracts/vault';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import { loadCodecEngines } from '../adapters/codec/load-codec.ts';
import { openCodec } from '../adapters/codec/open-codec.ts';
import type { Drive } from '../adapters/drive/drive.ts';
import { IndexStore } from '../adapters/index/index-store.ts';
import { Journal, type JournalPlace } from '../adapters/journal/journal.ts';
import { SharedPool } from '../adapters/shared-buffers.ts';
import { putDrive } from '../domain/catalog.ts';
import type { DriveDomain } from '../domain/placement.ts';
import type { StripeRow } from '../domain/stripe.ts';
import { survivalOf } from '../domain/survival.ts';
import { BlobStore } from './blob-store.ts';
import { CatalogRecord } from './catalog-record.ts';
import { Collector } from './collector.ts';
import { Destager } from './destager.ts';
import { DriveRegistry } from './drive-registry.ts';
import { DriveSet } from './drive-set.ts';
import { VaultError } from './errors.ts';
import { Foreground } from './foreground.ts';
import { Healing } from './healing.ts';
import { InFlight } from './in-flight.ts';
import { type OpenDrivesDeps, openDrives } from './open-drives.ts';
import { acceptPolicy } from './policy-file.ts';
import { keepScrubState, readScrubState } from './scrub-file.ts';
import type { ScrubState } from './scrubber.ts';
import { spaceOf } from './space.ts';
import { StripeReader } from './stripe-reader.ts';
import { StripeWriter } from './stripe-writer.ts';
import type {
  GivenDrive,
  GivenPolicy,
  LongCall,
  OpenVaultOptions,
  VaultApi,
  VaultBlobs,
  VaultDrives,
  VaultEvent,
  VaultVolumes,
} from './vault-api.ts';
import { statusOf } from './vault-status.ts';
import { Volumes } from './volumes.ts';

/** How often the journal's fill and the room on the drives are looked at: in between, back-pressure of the journal holds writers. */
const tickMs = 100;
/** After a destage that could not write stripes. */
const destageRetryMs = 1_000;
const collectIntervalMs = 30_000;
const missingDriveRetryMs = 5_000;

export async function openVault(o: OpenVaultOptions): Promise<VaultApi> {
  const index = await IndexStore.open({ dir: o.dataDir, logger: o.logger });
  try {
    return await openOver(index, o);
  } catch (error) {
    await index.close();
    throw error;
  }
}

async function openOver(index: IndexStore, o: OpenVaultOptions): Promise<VaultApi> {
  const { logger } = o;
  const policy = await acceptPolicy(o.dataDir, o.policy);
  const engines = await loadCodecEngines({ env: o.env });
  const codec = await openCodec(policy.spec.codec, policy.spec, engines);
  const { checksums, readNow } = engines;
  const { segmentBytes, observer } = o;
  const driveDeps = { vaultId: index.vaultId, checksums, readNow, observe: observer.driveCall, logger, now: Date.now, segmentBytes };
  const opened = await openDrives(index.catalog.drives, o.drives, driveDeps);
  if (opened.drives.length + opened.missing.length === 0) {
    throw new VaultError('NO_DRIVES', { dataDir: o.dataDir });
  }
  let journal: Journal | undefined;
  try {
    for (const row of opened.changedRows) {
      await index.change((see) => ({ writes: { catalog: putDrive(see.catalog, row) }, result: undefined }));
    }
    const { journalConfig } = policy.spec;
    journal = await Journal.open({
      places: journalPlaces(o, opened.drives),
      vaultId: index.vaultId,
      replicationFactor: journalConfig.replicationFactor,
      sizeBytes: journalConfig.journalSizeBytes,
      appliedLsn: index.appliedLsn,
      checksums,
      logger,
      acceptLoss: o.acceptJournalLoss,
      ...(readNow === undefined ? {} : { readNow }),
    });
    const nextStripeId = await index.reserveStripeIds();
    const scrubFrom = await readScrubState(o.dataDir);
    return new Vault({ index, policy, engines, codec, opened, driveDeps, journal, nextStripeId, scrubFrom, options: o });
  } catch (error) {
    await journal?.close();
    await Promise.all(opened.drives.map((drive) => drive.close()));
    throw error;
  }
}

interface VaultParts {
  readonly index: IndexStore;
  readonly policy: GivenPolicy;
  readonly engines: Awaited<ReturnType<typeof loadCodecEngines>>;
  readonly codec: Awaited<ReturnType<typeof openCodec>>;
  readonly opened: Awaited<ReturnType<typeof openDrives>>;
  readonly driveDeps: OpenDrivesDeps;
  readonly journal: Journal;
  readonly nextStripeId: () => number;
  readonly scrubFrom: ScrubState;
  readonly options: OpenVaultOptions;
}

class Vault implements VaultApi {
  readonly vaultId: string;
  readonly volumes: VaultVolumes;
  readonly drives: VaultDrives;
  readonly blobs: VaultBlobs;
  readonly exports;
  readonly #parts: VaultParts;
  readonly #logger: Logger;
  readonly #driveSet = new DriveSet();
  readonly #registry: DriveRegistry;
  readonly #destager: Destager;
  readonly #collector: Collector;
  readonly #healing: Healing;
  readonly #catalogRecord: CatalogRecord;
  readonly #volumes: Volumes;
  readonly #inFlight = new InFlight();
  readonly #foreground = new Foreground();
  readonly #listeners = new Set<(event: VaultEvent) => void>();
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>[];
  #space: 'enough' | 'full' | 'tooFewDrives' = 'enough';
  #collectSoon = false;
  #reconstructions = 0;
  #checksumErrors = 0;
  #stripesEncoded = 0;

  constructor(parts: VaultParts) {
    this.#parts = parts;
    const { index, policy, engines, codec, journal, options } = parts;
    const { spec } = policy;
    this.vaultId = index.vaultId;
    this.#logger = options.logger;
    const pool = new SharedPool();
    const drives = this.#driveSet;
    const { checksums } = engines;
    const inFlight = <T>(work: () => Promise<T>) => this.#inFlight.track(work);
    const catalogChanged = () => this.#catalogChanged();
    this.#registry = new DriveRegistry(
      { ...parts.driveDeps, index, drives, catalogChanged, onChange: (drive, reason) => this.#driveChanged(drive, reason) },
      parts.opened,
    );
    const reader = new StripeReader({
      index,
      drives,
      codec,
      checksums,
      pool,
      onBadShard: (bad) => {
        this.#checksumErrors += bad.reason === 'corrupt' ? 1 : 0;
        this.#healing.report(bad);
      },
      onReconstruction: () => {
        this.#reconstructions += 1;
      },
    });
    const writer = new StripeWriter({
      vaultId: this.vaultId,
      codecName: spec.codec,
      codec,
      checksums,
      drives,
      pool,
      nextStripeId: parts.nextStripeId,
      appliedLsn: () => index.appliedLsn,
      minHealthyShards: () => this.#minHealthyShards(),
      onWritten: ({ row }) => this.#written(row),
    });
    const common = {
      index,
      journal,
      reader,
      writer,
      pool,
      code: spec,
      inFlight,
      checkWritable: () => this.#checkWritable(),
      now: Date.now,
    };
    this.#catalogRecord = new CatalogRecord(common);
    this.#destager = new Destager(common);
    this.#healing = new Healing({
      ...common,
      drives,
      codec,
      checksums,
      spec,
      throttle: options.throttle,
      foregroundBusy: () => this.#foreground.isBusy(),
      logger: this.#logger,
      emit: (event) => this.#emit(event),
      scrubFrom: parts.scrubFrom,
      keepScrubState: (state) => void keepScrubState(options.dataDir, state),
    });
    this.#collector = new Collector({
      ...common,
      drives,
      checksums,
      landed: () => this.#inFlight.landed(),
      isHeld: (drive, segment) => this.#inFlight.isHeld(drive, segment),
      catalogKept: () => this.#catalogRecord.kept,
      throttle: (bytes, signal) => this.#healing.throttle(bytes, signal),
      onBadShard: (bad) => this.#healing.report(bad),
      logger: this.#logger,
    });
    this.#volumes = new Volumes({
      ...common,
      drainJournal: () => this.#destager.drain(),
      catalogChanged,
      foreground: this.#foreground,
      healthOf: (stripeId) => this.#healing.healthOf(stripeId),
    });
    this.volumes = this.#volumes;
    this.exports = this.#volumes.exports;
    this.blobs = new BlobStore({ ...common, hold: (row) => this.#inFlight.hold(row) });
    this.drives = {
      list: () => this.#registry.list(),
      add: (drive) => this.#registry.add(drive),
      fail: (which) => this.#registry.fail(which),
      drain: (number, call) => this.#drain(number, call),
      replace: (what, call) => this.#replace(what, call),
    };
    this.#look();
    const { signal } = this.#stopping;
    this.#loops = [
      this.#destageLoop(signal),
      this.#lookLoop(signal),
      this.#everyLoop({ intervalMs: collectIntervalMs, isDue: () => this.#collectSoon, signal }, () => this.#collect(signal)),
      this.#everyLoop({ intervalMs: missingDriveRetryMs, isDue: () => false, signal }, async () => {
        await this.#registry.retryMissing();
      }),
    ];
    this.#healing.start();
    void this.#catalogChanged();
  }

  status(): VaultStatus {
    const { index, policy, engines, journal } = this.#parts;
    const { slowBecause } = engines;
    return statusOf({
      vaultId: this.vaultId,
      policy,
      codecEngine: { name: engines.matrix.name, ...(slowBecause === undefined ? {} : { slowBecause }) },
      failed: this.#failed(),
      space: this.#space,
      destageFailing: this.#destager.failing,
      isJournalCorrupt: this.#destager.isJournalCorrupt,
      survival: survivalOf({ ...policy.spec, drives: this.#driveSet.all().filter(({ state }) => state === 'online') }),
      journal: journal.fill(),
      counts: index.counts(),
      drives: this.#registry.list(),
      stripes: this.#healing.counts(),
      missingShardsMost: this.#healing.missingShardsMost(),
      rebuild: this.#healing.rebuildProgress(),
      scrub: this.#healing.scrubProgress(),
      volumes: index.catalog.volumes.length,
      checksumErrors: this.#checksumErrors,
      reconstructions: this.#reconstructions,
      stripesEncoded: this.#stripesEncoded,
    });
  }

  scrub(call: LongCall): Promise<OperationResult> {
    return this.#healing.scrub(call);
  }

  rebuild(call: LongCall): Promise<OperationResult> {
    return this.#healing.rebuild(call);
  }

  verify(call: LongCall): Promise<OperationResult> {
    return this.#healing.verify(call);
  }

  /** What the journal holds goes into stripes first, so that the index alone tells everything up to now. */
  async backup(to: string, call: LongCall): Promise<OperationResult> {
    await this.#destager.drain();
    call.signal.throwIfAborted();
    await mkdir(to, { recursive: true });
    await this.#parts.index.backup(to);
    await copyFile(join(this.#parts.options.dataDir, 'policy.json'), join(to, 'policy.json'));
    return { message: `The index and the policy of the vault are in ${to}.` };
  }

  onEvent(listener: (event: VaultEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is in the journal stays there: the next start replays it. */
  async close(): Promise<void> {
    this.#stopping.abort();
    // What waits for room in the journal is told that there will be none, for others wait for it in turn.
    this.#parts.journal.stopAppends();
    await this.#healing.close();
    await Promise.allSettled(this.#loops);
    await this.#parts.journal.close();
    await this.#inFlight.landed();
    await this.#parts.index.close();
    await Promise.all(this.#driveSet.all().map((drive) => drive.close()));
  }

  #minHealthyShards(): number {
    const { spec } = this.#parts.policy;
    return spec.minHealthyShards ?? spec.dataShards;
  }

  #failed(): Error | undefined {
    return this.#parts.journal.failed ?? this.#parts.index.failed;
  }

  #checkWritable(): void {
    const failed = this.#failed();
    if (failed !== undefined) {
      throw new VaultError('FAILED', {}, { cause: failed });
    }
    if (this.#stopping.signal.aborted) {
      throw new VaultError('STOPPING');
    }
    if (this.#space === 'full') {
      throw new VaultError('NO_SPACE');
    }
  }

  #look(): void {
    const before = this.#space;
    this.#space = spaceOf({
      drives: this.#driveSet,
      code: this.#parts.policy.spec,
      minHealthyShards: this.#minHealthyShards(),
      journalUsedBytes: this.#parts.journal.fill().usedBytes,
    });
    if (before !== this.#space) {
      this.#logger.warn({ from: before, to: this.#space }, 'the room for writes has changed');
      this.#collectSoon ||= this.#space === 'full';
      this.#emit({ kind: 'changed' });
    }
  }

  async #destageLoop(signal: AbortSignal): Promise<void> {
    const { journalConfig } = this.#parts.policy.spec;
    const intervalMs = parseDurationMs(journalConfig.destageInterval);
    while (!signal.aborted) {
      const { usedBytes, sizeBytes, oldestAgeMs } = this.#parts.journal.fill();
      // Where the drives are full, what was zeroed must get into the map to make room.
      const isDue =
        usedBytes * 100 >= sizeBytes * journalConfig.destageThresholdPercent ||
        oldestAgeMs >= intervalMs ||
        (this.#space === 'full' && oldestAgeMs > 0);
      try {
        // Down to nothing where it is old, and well below the threshold where it is full.
        if (!(isDue && (await this.#destager.step()))) {
          await pause(tickMs, signal);
        } else {
          // What was trimmed while there was no room is dead as of now.
          this.#collectSoon ||= this.#space === 'full';
        }
      } catch (err) {
        this.#logger.warn({ err }, 'the journal could not be destaged; it is tried again');
        await pause(destageRetryMs, signal);
      }
    }
  }

  async #lookLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(tickMs, signal);
      this.#look();
    }
  }

  async #collect(signal: AbortSignal): Promise<void> {
    this.#collectSoon = false;
    const freedBytes = await this.#collector.collect(signal);
    if (freedBytes > 0) {
      this.#logger.debug({ freedBytes }, 'segments were given back');
    }
  }

  async #everyLoop(o: { intervalMs: number; isDue: () => boolean; signal: AbortSignal }, work: () => Promise<void>): Promise<void> {
    const { signal } = o;
    while (!signal.aborted) {
      // At least once, so that a loop that is always due leaves others their turn.
      let waitedMs = 0;
      do {
        await pause(tickMs, signal);
        waitedMs += tickMs;
      } while (waitedMs < o.intervalMs && !signal.aborted && !o.isDue());
      try {
        if (!signal.aborted) {
          await work();
        }
      } catch (err) {
        if (!signal.aborted) {
          this.#logger.warn({ err }, 'housekeeping failed; it is tried again');
        }
      }
    }
  }

  async #catalogChanged(): Promise<void> {
    this.#collectSoon = true;
    this.#emit({ kind: 'changed' });
    try {
      await this.#catalogRecord.keep();
    } catch (err) {
      this.#logger.warn({ err }, 'the catalog could not be written to the drives; the index has it');
    }
  }

  #driveChanged(drive: Drive | undefined, reason: string): void {
    if (drive?.state === 'failed') {
      this.#emit({ kind: 'drive-failed', drive: drive.number, path: drive.path, reason });
    }
    this.#healing.look();
    this.#emit({ kind: 'changed' });
  }

  async #drain(number: number, call: LongCall): Promise<OperationResult> {
    this.#refuseIfNeeded(number);
    await this.#registry.drain(number);
    // What was on its way there when it was told is indexed first.
    await this.#inFlight.landed();
    const result = await this.#healing.drain(number, call);
    await this.#registry.remove(number);
    return result;
  }

  async #replace(o: { number: number; drive: GivenDrive }, call: LongCall): Promise<OperationResult> {
    const { domain } = this.#registry.need(o.number);
    await this.#registry.add({ ...o.drive, domain: { ...domain, ...o.drive.domain } }, { inPlaceOf: o.number });
    await this.#registry.fail(o.number);
    await this.#inFlight.landed();
    const result = await this.#healing.drain(o.number, call);
    // Shards of stripes that are lost stay named, in case the drive comes back.
    if (this.#registry.shardsOn(o.number) === 0) {
      await this.#registry.remove(o.number);
    }
    return result;
  }

  /** A drive can go only if a stripe's shards still find a drive each. */
  #refuseIfNeeded(number: number): void {
    this.#registry.need(number);
    const { dataShards, parityShards } = this.#parts.policy.spec;
    const left = this.#driveSet.all().filter((drive) => drive.state === 'online' && drive.number !== number).length;
    if (left < dataShards + parityShards) {
      throw new VaultError('DRIVE_NEEDED', { drive: number, drivesLeft: left, shards: dataShards + parityShards });
    }
  }

  #written(row: StripeRow): void {
    this.#stripesEncoded += 1;
    this.#emit({ kind: 'stripe-encoded', stripeId: row.stripeId, payloadBytes: row.shape.payloadBytes });
    this.#healing.written(row);
  }

  #emit(event: VaultEvent): void {
    for (const listener of this.#listeners) {
      listener(event);
    }
  }
}

/** On the drives, one for each of as many domains as there are; or where the operator wants it. */
function journalPlaces(o: OpenVaultOptions, drives: readonly Drive[]): JournalPlace[] {
  if (o.journal.length > 0) {
    return o.journal.map(({ path, domain }) => ({ path, domain: domain ?? path }));
  }
  return drives
    .filter(({ state }) => state !== 'failed')
    .map(({ path, domain }) => ({ path: join(path, 'journal'), domain: domainKey(domain) }));
}

function domainKey({ zone, node, disk }: DriveDomain): string {
  return `${zone}/${node}/${disk}`;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, signal).catch(() => undefined);
}
