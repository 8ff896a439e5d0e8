/** All that finds and mends what is wrong with stripes, as the vault uses it: rebuilder, scrubber, verifier, under their throttles. */
import type { OperationResult, VaultStatus } from '@couchestor/shared/contracts/vault';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { ErasureCodingPolicySpec } from '@couchestor/shared/erasure-coding-policy';
import type { Logger } from '@couchestor/shared/logger';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import type { ChecksumEngine } from '../domain/codec/crc32c.ts';
import type { ErasureCodec } from '../domain/codec/erasure-codec.ts';
import { shardCountOf } from '../domain/geometry.ts';
import type { StripeRow } from '../domain/stripe.ts';
import type { DriveSet } from './drive-set.ts';
import { Rebuilder } from './rebuilder.ts';
import { Scrubber, type ScrubState } from './scrubber.ts';
import { healthOf } from './stripe-health.ts';
import type { BadShard, StripeReader } from './stripe-reader.ts';
import { Throttle } from './throttle.ts';
import type { LongCall, VaultEvent, VaultThrottle } from './vault-api.ts';
import { verifyVault } from './verifier.ts';

export interface HealingDeps {
  readonly index: IndexStore;
  readonly drives: DriveSet;
  readonly reader: StripeReader;
  readonly codec: ErasureCodec;
  readonly checksums: ChecksumEngine;
  readonly pool: SharedPool;
  readonly spec: ErasureCodingPolicySpec;
  readonly throttle: VaultThrottle;
  readonly foregroundBusy: () => boolean;
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
  readonly logger: Logger;
  readonly now: () => number;
  readonly emit: (event: VaultEvent) => void;
  readonly scrubFrom: ScrubState;
  readonly keepScrubState: (state: ScrubState) => void;
}

export class Healing {
  readonly #deps: HealingDeps;
  readonly #rebuilder: Rebuilder;
  readonly #scrubber: Scrubber;
  readonly #rebuildThrottle: Throttle;
  readonly #scrubThrottle: Throttle;

  constructor(deps: HealingDeps) {
    this.#deps = deps;
    const { foregroundBusy, throttle, emit } = deps;
    this.#rebuildThrottle = new Throttle({ bytesPerSecond: throttle.rebuildBytesPerSecond, foregroundBusy });
    this.#scrubThrottle = new Throttle({ bytesPerSecond: throttle.scrubBytesPerSecond, foregroundBusy });
    this.#rebuilder = new Rebuilder({
      ...deps,
      throttle: (bytes, signal) => this.#rebuildThrottle.take(bytes, signal),
      onDegraded: ({ stripeId, missingShards }) => emit({ kind: 'stripe-degraded', stripeId, missingShards }),
      onRebuilt: ({ stripeId }) => emit({ kind: 'stripe-rebuilt', stripeId }),
      onLost: ({ stripeId }) => emit({ kind: 'stripe-lost', stripeId }),
      // The vault sees it too, by the index, and stops being ready.
      onFailed: (err) => deps.logger.error({ err }, 'nothing can be rebuilt any more'),
    });
    this.#scrubber = new Scrubber({
      ...deps,
      throttle: (bytes, signal) => this.#scrubThrottle.take(bytes, signal),
      report: (finding) => this.#rebuilder.report(finding),
      settle: (call) => this.#rebuilder.settle(call),
      from: deps.scrubFrom,
      onState: deps.keepScrubState,
    });
  }

  start(): void {
    const { spec } = this.#deps;
    this.#rebuilder.start();
    if (spec.scrubbingEnabled) {
      this.#scrubber.start({ intervalMs: parseDurationMs(spec.scrubInterval) });
    }
  }

  async close(): Promise<void> {
    await this.#scrubber.close();
    await this.#rebuilder.close();
  }

  report(bad: BadShard): void {
    this.#rebuilder.report(bad);
  }

  /** A stripe was written; the index is about to know it. */
  written(row: StripeRow): void {
    const missing = shardCountOf(row.shape) - row.shards.filter((at) => at !== undefined).length;
    if (missing > 0) {
      this.#rebuilder.writtenDegraded(row.stripeId, missing);
    }
  }

  /** A drive came, went, or changed its state. */
  look(): void {
    this.#rebuilder.drivesChanged();
  }

  healthOf(stripeId: number): 'healthy' | 'degraded' | 'lost' {
    const row = this.#deps.index.stripe(stripeId);
    if (row === undefined || this.#rebuilder.isLost(stripeId)) {
      return 'lost';
    }
    return healthOf(row, { holds: (drive) => this.#deps.drives.holds(drive) }).state;
  }

  counts(): { readonly degraded: number; readonly rebuilding: number; readonly lost: number } {
    const { degraded, rebuilding, lost } = this.#rebuilder.health();
    return { degraded, rebuilding, lost };
  }

  /** Of the stripe that lacks most, among those that can still be read. */
  missingShardsMost(): number {
    return this.#rebuilder.missingShardsMost();
  }

  rebuildProgress(): VaultStatus['rebuild'] {
    return this.#rebuilder.progress();
  }

  scrubProgress(): VaultStatus['scrub'] {
    const { lastFinishedAtMs, ...status } = this.#scrubber.status();
    return lastFinishedAtMs === undefined ? status : { ...status, lastFinishedAt: new Date(lastFinishedAtMs).toISOString() };
  }

  /** For what else moves bytes in the background. */
  async throttle(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#rebuildThrottle.take(bytes, signal);
  }

  async rebuild(call: LongCall): Promise<OperationResult> {
    const { stripesRebuilt, stripesLost, stripesWaiting } = await this.#rebuilder.settle(call);
    const waiting = stripesWaiting === 0 ? '' : ` ${stripesWaiting} wait for drives with room, or that answer.`;
    const lost = stripesLost === 0 ? '' : ` ${stripesLost} have lost more than their parity makes good; they come back with their drives.`;
    return { message: `${stripesRebuilt} stripes were rebuilt.${waiting}${lost}`, stripesRebuilt, stripesLost };
  }

  async drain(number: number, call: LongCall): Promise<OperationResult> {
    const { moved } = await this.#rebuilder.drain(number, call);
    return { message: `${moved} shards were moved off drive ${number}. It holds nothing of the vault any more.`, stripesRebuilt: moved };
  }

  async scrub(call: LongCall): Promise<OperationResult> {
    const result = await this.#scrubber.scrub(call);
    return {
      message: `${result.stripesChecked} stripes were checked: ${result.errorsFound} bad shards, ${result.healed} healed.`,
      ...result,
    };
  }

  async verify(call: LongCall): Promise<OperationResult> {
    const { throttle: _, ...deps } = this.#deps;
    const { bytes, unreadableRanges, ranges } = await verifyVault(
      { ...deps, throttle: (taken, signal) => this.#scrubThrottle.take(taken, signal) },
      call,
    );
    const [first] = ranges;
    const where = first === undefined ? '' : `, the first in ${first.of} at ${first.offsetBytes} (${first.lengthBytes} bytes)`;
    return {
      message:
        unreadableRanges === 0 ? 'All that volumes and blobs hold can be read.' : `${unreadableRanges} ranges cannot be read${where}.`,
      bytes,
      errorsFound: unreadableRanges,
    };
  }
}
