/** What the index knows of a stripe, and what a stripe says of itself. */
import type { StripeShape } from './geometry.ts';

/** Which code wrote the parity. */
export const codecNames = ['isal-compatible', 'ronomon'] as const;
export type CodecName = (typeof codecNames)[number];

/** Where a shard lies: on which drive (its number in the vault, from 1), in which segment, at which 4 KiB block its record begins. */
export interface ShardPlace {
  readonly drive: number;
  readonly segment: number;
  readonly offsetBlocks: number;
  /** Of the record's header; the data follow. */
  readonly headerBlocks: number;
  /** Raised whenever the shard is written anew; part of its checksums. */
  readonly generation: number;
}

export interface StripeRow {
  readonly stripeId: number;
  readonly shape: StripeShape;
  readonly codec: CodecName;
  /** One for each shard, data first; undefined where it is lost and waits for its rebuild. */
  readonly shards: readonly (ShardPlace | undefined)[];
  /** What of the payload is still pointed at, in bytes; a stripe without any is dead. Snapshots count once more for each page of theirs. */
  readonly liveBytes: number;
}

/** So many blocks of the payload, from `offsetBytes` on, are these blocks of a layer, as they were written at `lsn`. */
export interface BlocksEffect {
  readonly kind: 'blocks';
  readonly layer: number;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly offsetBytes: number;
  readonly lsn: number;
}

/** These blocks of a layer were zeroed or trimmed at `lsn`. */
export interface ZeroesEffect {
  readonly kind: 'zeroes';
  readonly layer: number;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly lsn: number;
}

/** A part of a blob. Its parts are numbered from 0; the last one says so. */
export interface BlobEffect {
  readonly kind: 'blob';
  /** 32 hex digits, made of the caller's key. */
  readonly blobId: string;
  readonly part: number;
  readonly isLast: boolean;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** All volumes and layers; of several the one with the highest version counts. */
export interface CatalogEffect {
  readonly kind: 'catalog';
  readonly version: number;
  readonly json: string;
}

/**
 * What the stripe's existence means. It stands in the header of every shard, so the whole index can be made again from the drives: for each
 * block the effect of the highest lsn counts, where stripe and journal share one count of lsn.
 */
export type Effect = BlocksEffect | ZeroesEffect | BlobEffect | CatalogEffect;

/** The head of a shard's record on a drive. */
export interface ShardHeader {
  readonly vaultId: string;
  readonly stripeId: number;
  readonly place: number;
  readonly generation: number;
  readonly shape: StripeShape;
  readonly codec: CodecName;
  /** All journal records up to this lsn were in stripes, durable and indexed, when this stripe was begun. */
  readonly appliedLsn: number;
  /** CRC-32C of each stored block, begun with the seed of `blockSeed`. */
  readonly sums: Uint32Array;
  readonly effects: readonly Effect[];
}
