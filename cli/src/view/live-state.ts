/** What the live view shows. Plain data, changed only by the functions below. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveOutcome } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';

/** Events that are kept: more than any screen has lines. */
const eventsMax = 200;

export interface LiveEvent {
  readonly at: Date;
  readonly text: string;
  readonly tone: 'plain' | 'good' | 'bad' | 'note';
}

export interface Totals {
  readonly moved: number;
  readonly refused: number;
  /** Failed and aborted. */
  readonly failed: number;
}

export interface LiveState {
  readonly startedAt: Date;
  readonly dataDir: string;
  /** Of each process, in the order of the flow: does it run? */
  readonly processes: readonly { readonly name: string; readonly up: boolean; readonly restarts: number }[];
  readonly volumes: readonly VolumeView[];
  readonly open: readonly MoveView[];
  readonly finished: readonly MoveView[];
  readonly events: readonly LiveEvent[];
  readonly totals: Totals;
  /** Of the workload's own checks; undefined until the simulator has told. */
  readonly verification: { readonly bytesVerified: number; readonly corrupt: number } | undefined;
  /** Why what is shown may be old. */
  readonly stale: string | undefined;
}

export function emptyLiveState(o: { startedAt: Date; dataDir: string }): LiveState {
  return {
    ...o,
    processes: [],
    volumes: [],
    open: [],
    finished: [],
    events: [],
    totals: { moved: 0, refused: 0, failed: 0 },
    verification: undefined,
    stale: undefined,
  };
}

export function withEvent(state: LiveState, event: LiveEvent): LiveState {
  return { ...state, events: [...state.events, event].slice(-eventsMax) };
}

export function withFinished(state: LiveState, move: FinishedMove): LiveState {
  const { moved, refused, failed } = state.totals;
  const { outcome } = move.result;
  return {
    ...state,
    totals: {
      moved: moved + (outcome === 'success' ? 1 : 0),
      refused: refused + (outcome === 'refused' ? 1 : 0),
      failed: failed + (outcome === 'failed' || outcome === 'aborted' ? 1 : 0),
    },
  };
}

export function toneOf(outcome: MoveOutcome): LiveEvent['tone'] {
  switch (outcome) {
    case 'success':
      return 'good';
    case 'failed':
    case 'aborted':
      return 'bad';
    default:
      return 'note';
  }
}

/** Volumes whose decision newly is one that a person would want to hear of, with what to say. */
export function newlyBlocked(before: readonly VolumeView[], after: readonly VolumeView[]): string[] {
  const known = new Map(before.map((volume) => [volume.volumeId, decisionKey(volume)]));
  return after
    .filter((volume) => volume.decision?.verb === 'blocked' && known.get(volume.volumeId) !== decisionKey(volume))
    .map(({ name, decision }) => `${name}: blocked. ${decision?.reason ?? ''}`);
}

/** Numbers in the reason change from round to round; the rule does not. */
function decisionKey({ decision }: VolumeView): string {
  return `${decision?.verb} ${decision?.rule} ${decision?.to}`;
}
