/** What the rules of a move work on and give. */
import type { Bias, MoveRecord, ReplicaPlan } from '@couchestor/shared/contracts/migrator';
import type { Capabilities } from '@couchestor/shared/placement/plan';
import type { Sight, SightKind } from './sight.ts';

export interface Limits {
  /** How long the synced predicate must have held: longer than the control plane's cache lags. */
  readonly syncedHoldMs: number;
  /** A rebuild that has not progressed for this long is given up. */
  readonly noProgressMs: number;
  readonly pollMs: number;
  /** How long after an answer, or an ambiguous one, what is read may still be from before it. */
  readonly settleMs: number;
  /** Retries for one replica before the move gives up. */
  readonly triesMax: number;
  /** Absent until Mayastor has been asked. */
  readonly capabilities: Capabilities | undefined;
}

export type Effect =
  /** Look again at once. */
  | { readonly kind: 'look' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Mark and cordon, for the new replica of the plan to find one place only. Marks of the volume on other pools have served their turn. */
  | { readonly kind: 'place-gates'; readonly plan: ReplicaPlan; readonly outdatedMarks: readonly string[] }
  | { readonly kind: 'place-bias'; readonly bias: Bias }
  /** Undo everything of ours that gates or biases. */
  | { readonly kind: 'undo-gates' }
  | { readonly kind: 'put-replica-count'; readonly count: number }
  | { readonly kind: 'unmark-volume'; readonly pool: string }
  /** The move ends with one replica more on purpose: the mark stays and says so. */
  | { readonly kind: 'mark-kept'; readonly pool: string; readonly originalReplicas: number }
  /** Archive, tell, and let go of the volume. */
  | { readonly kind: 'close' };

export interface Advance {
  readonly move: MoveRecord;
  readonly effect: Effect;
}

export interface Context {
  readonly move: MoveRecord;
  readonly sight: Sight;
  readonly kind: SightKind;
  readonly limits: Limits;
}

export type Rule = (context: Context) => Advance;
