/** Encodes and decodes the shards of one stripe. The codecs differ in the bytes they write, so a stripe records which one wrote it. */

/** A part of each shard. */
export interface ShardRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface Reconstruction {
  /** One place for each shard of the code, data first; undefined where it is lost or was not read. More than dataShards of them do no harm. */
  readonly shards: readonly (Uint8Array | undefined)[];
  /** Which shards are wanted, by their place, data or parity, lost or not. */
  readonly wanted: readonly number[];
  /** Default: all of it. Where only a range of the survivors was read, give that as the shards, and no range; that takes a codec that `isByteLocal`. */
  readonly range?: ShardRange;
  /** As for `encode`. */
  readonly into?: readonly Uint8Array[] | undefined;
}

/** Rejects with CodecError. Shards must be left alone until the promise is settled. */
export interface ErasureCodec {
  readonly dataShards: number;
  readonly parityShards: number;
  /**
   * Whether byte i of every shard depends on byte i of the others alone. Then a range of lost shards comes from the same range of the others, and
   * what was encoded in parts is what would have been encoded as a whole; else all of `dataShards` survivors must be read for any byte.
   */
  readonly isByteLocal: boolean;
  /**
   * From all data shards, of one length, the parity shards: in `into`, which is what is returned, or in new memory. New memory costs about as
   * much as the computation, because the system clears it page by page; whoever encodes much gives the same again and again.
   */
  encode(data: readonly Uint8Array[], into?: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
  /** The wanted shards, in the order wanted. Uses the first dataShards survivors, and trusts them: checksums come before. */
  reconstruct(reconstruction: Reconstruction): Promise<readonly Uint8Array[]>;
  /** As `reconstruct`, before it returns; false, with nothing done, where it would hold its caller up, or cannot. Throws CodecError. */
  reconstructNow?(reconstruction: Reconstruction & { readonly into: readonly Uint8Array[] }): boolean;
  /** The places of the parity shards that do not belong to the data shards; all of `shards` must be there. */
  verify(shards: readonly Uint8Array[]): Promise<number[]>;
}
