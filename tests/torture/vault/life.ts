/** What one process of a workload is told. */
import type { Code } from './vault-under-test.ts';

export interface Life {
  /** Of the data folder and the drives. */
  readonly root: string;
  /** Where it tells what it does. */
  readonly acks: string;
  readonly code: Code;
  readonly drives: readonly string[];
  readonly seed: number;
  /** Of its first operation: each has a number of its own in all lives. */
  readonly firstId: number;
  readonly volumeUnits: number;
  readonly writers: number;
  /** Between writes: what heals in the background waits while clients are served slowly. */
  readonly pauseMsMax: number;
  /** Where what was found is written; absent where nothing is to be looked at. */
  readonly dump: string | undefined;
  /** Keys of all blobs that were ever put. */
  readonly keys: readonly string[];
  /** It ends by itself after so many; absent: when it is killed. */
  readonly operations: number | undefined;
  /** It looks, and ends. */
  readonly isLast: boolean;
  /** The index is removed and made anew first. */
  readonly reindex: boolean;
  readonly fail: number | undefined;
  readonly replace: { readonly number: number; readonly path: string } | undefined;
  readonly heals: boolean;
}
