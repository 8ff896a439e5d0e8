/**
 * What the journal and the threads of its copies share: a ring of records, counters beside it, marks that say where the ring goes, and calls that
 * are answered.
 */

/** Counters of 32 bits count units of a record and wrap; what counts is their difference. */
export const controlWords = {
  /** How far the ring is filled. */
  head: 0,
  /** Raised whenever there is something to look at: what threads wait on. */
  wakes: 1,
  /** For each copy: how far it is synced, then its state. */
  firstCopy: 2,
  perCopy: 2,
} as const;

export const threadStates = { running: 0, closing: 1, abandoned: 2 } as const;

export interface CopyThreadData {
  readonly dir: string;
  /** Its place among the copies. */
  readonly copy: number;
  readonly ring: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly segmentBytes: number;
}

/** At byte `at` of the stream through the ring. */
export type Mark =
  | { readonly at: number; readonly kind: 'skip'; readonly bytes: number }
  | {
      readonly at: number;
      readonly kind: 'segment';
      readonly segment: number;
      readonly offsetBytes: number;
      /** A released segment whose file is taken: writing over what is allocated is quicker than growing a file. */
      readonly reuse?: number;
    };

/** Answered by a `CopyReport` of the same id. */
export type CopyCall =
  | { readonly kind: 'read'; readonly id: number; readonly segment: number; readonly offsetBytes: number; readonly lengthBytes: number }
  /** Writes over a block that was found bad. Done as it arrives, so before any later mark could give the segment's file to others. */
  | { readonly kind: 'heal'; readonly id: number; readonly segment: number; readonly offsetBytes: number; readonly bytes: Uint8Array };

/** This segment, and all before it, are read no more: their descriptors may be closed. */
export interface Forget {
  readonly kind: 'forget';
  readonly segment: number;
}

export type CopyReport =
  | { readonly kind: 'synced' }
  /** The thread writes nothing more. It keeps its descriptors open until it is told to end. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** May be read through this descriptor until `Forget` is sent. */
  | { readonly kind: 'opened'; readonly segment: number; readonly descriptor: number }
  | { readonly kind: 'answer'; readonly id: number; readonly bytes?: Uint8Array; readonly problem?: string };
