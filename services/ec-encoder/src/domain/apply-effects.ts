/**
 * What a stripe's effects do to the map: pages, and the count of what still points at each stripe.
 *
 * A layer without a row of its own for a page gets its parent's as a copy at the first change, and each run of the copy counts once more for its
 * stripe. A stripe that nothing points at any more goes in the same change. One without payload is there for what its header says and is never
 * counted: only its owner removes it.
 */
import { MapWork } from './apply-effects-work.ts';
import { blockBytes } from './geometry.ts';
import type { BlobRow, IndexView, IndexWrites } from './index-rows.ts';
import type { BlobEffect, BlocksEffect, Effect, StripeRow, ZeroesEffect } from './stripe.ts';

export interface NewStripe {
  /** Its liveBytes are counted here. */
  readonly row: StripeRow;
  /** Of all shards, by their place. */
  readonly sums: readonly Uint32Array[];
  readonly effects: readonly Effect[];
}

export interface EffectsToApply {
  readonly stripe?: NewStripe | undefined;
  /** Several at once, for one change. */
  readonly stripes?: readonly NewStripe[] | undefined;
  /** Only these zero anything. Zeroes among a stripe's effects are there for the reindex: a compaction that carries them on must not do them again. */
  readonly zeroes?: readonly ZeroesEffect[] | undefined;
  readonly appliedLsn?: number | undefined;
  /** Whether this block is to be mapped; default: all. */
  readonly isLive?: ((effect: BlocksEffect, block: number) => boolean) | undefined;
  /** Default: all. A compaction says no where the blob was released meanwhile. */
  readonly isBlobLive?: ((effect: BlobEffect) => boolean) | undefined;
  /** Of blobs that are new here. */
  readonly createdAt?: string | undefined;
}

/** Effects and zeroes are taken in the order of their lsn, so it does not matter in which order they are given. */
export function applyEffects(see: IndexView, o: EffectsToApply): IndexWrites {
  const work = new MapWork(see);
  const stripes = [...(o.stripe === undefined ? [] : [o.stripe]), ...(o.stripes ?? [])];
  const steps: { readonly lsn: number; readonly run: () => void }[] = [];
  for (const { row, sums, effects } of stripes) {
    work.addStripe(row, sums);
    for (const effect of effects) {
      if (effect.kind === 'blocks') {
        steps.push({ lsn: effect.lsn, run: () => mapLive(work, row.stripeId, effect, o.isLive) });
      } else if (effect.kind === 'blob' && (o.isBlobLive?.(effect) ?? true)) {
        work.putBlobPart(row.stripeId, effect, o.createdAt ?? new Date(0).toISOString());
      }
    }
  }
  for (const zeroes of o.zeroes ?? []) {
    steps.push({ lsn: zeroes.lsn, run: () => work.zero(zeroes) });
  }
  for (const step of steps.sort((a, b) => a.lsn - b.lsn)) {
    step.run();
  }
  const writes = work.writes();
  return o.appliedLsn === undefined ? writes : { ...writes, appliedLsn: o.appliedLsn };
}

/** The blob and what it held of stripes. Nothing where there is no such blob. */
export function releaseBlob(see: IndexView, blobId: string): IndexWrites {
  const work = new MapWork(see);
  work.removeBlob(blobId);
  return work.writes();
}

/** The row with its new state; undefined where there is no such blob. */
export function adoptBlob(see: IndexView, blobId: string): BlobRow | undefined {
  const row = see.blob(blobId);
  return row === undefined ? undefined : { ...row, state: 'adopted' };
}

/**
 * What of a stripe's blocks is still pointed at, and by which layers: what a compaction carries on, with the lsn of old. Layers whose pages were
 * copied from the effect's layer are among them. Offsets are those of the stripe.
 */
export function liveEffects(see: IndexView, stripeId: number, effects: readonly Effect[]): BlocksEffect[] {
  const work = new MapWork(see);
  return effects.flatMap((effect) => (effect.kind === 'blocks' ? work.referencesOf(stripeId, effect) : []));
}

function mapLive(work: MapWork, stripeId: number, effect: BlocksEffect, isLive: EffectsToApply['isLive']): void {
  if (effect.offsetBytes % blockBytes !== 0) {
    throw new RangeError(`the offset ${effect.offsetBytes} of blocks in stripe ${stripeId} is not a multiple of ${blockBytes}`);
  }
  if (isLive === undefined) {
    work.map(stripeId, effect);
    return;
  }
  const end = effect.firstBlock + effect.blocks;
  for (let block = effect.firstBlock; block < end; ) {
    const first = block;
    while (block < end && isLive(effect, block)) {
      block += 1;
    }
    if (block > first) {
      const offsetBytes = effect.offsetBytes + (first - effect.firstBlock) * blockBytes;
      work.map(stripeId, { ...effect, firstBlock: first, blocks: block - first, offsetBytes });
    } else {
      block += 1;
    }
  }
}
