/** The words and colours in which volumes and moves are shown, the same in tables and in the live view. */
import type { Decision, VolumeView } from '@couchestor/shared/contracts/brain';
import type { MoveOutcome } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import type { Style } from '../terminal/ansi.ts';
import { formatIops } from '../terminal/format.ts';

export function tierStyles(tier: string): readonly Style[] {
  switch (tier) {
    case 'hot':
      return ['red'];
    case 'warm':
      return ['yellow'];
    case 'cold':
      return ['blue'];
    default:
      return ['magenta'];
  }
}

export function verbStyles(verb: Decision['verb'] | undefined): readonly Style[] {
  switch (verb) {
    case 'move':
      return ['green'];
    case 'blocked':
      return ['yellow'];
    case 'wait':
      return ['cyan'];
    default:
      return ['dim'];
  }
}

export function outcomeStyles(outcome: MoveOutcome | undefined): readonly Style[] {
  switch (outcome) {
    case undefined:
      return ['cyan'];
    case 'success':
      return ['green'];
    case 'failed':
    case 'aborted':
      return ['red'];
    default:
      return ['yellow'];
  }
}

/** The mean IOPS that the decision used: a number, `idle`, or `?` where there is no usable measurement. */
export function iopsText(volume: VolumeView): string {
  const sample = volume.decision?.sample;
  switch (sample?.status) {
    case 'measured':
      return formatIops(sample.iops);
    case 'idle':
      return 'idle';
    default:
      return '?';
  }
}

export function placementText(volume: VolumeView): string {
  return volume.decision?.placement ?? '-';
}

export function poolsText(volume: VolumeView): string {
  return volume.pools.map(({ pool }) => pool).join(' ') || '-';
}

export function decisionText(volume: VolumeView): string {
  if (volume.pending !== undefined) {
    return `moving to ${volume.pending.to}: ${volume.pending.step}`;
  }
  return volume.decision === undefined ? 'not decided yet' : `${volume.decision.verb}: ${volume.decision.reason}`;
}

/** Steps in which a replica is being added, on the way to 50 percent; syncing fills the middle; removing the old one is the end. */
const shareBefore: Readonly<Record<MoveView['step'], number>> = {
  analyze: 0,
  'gate-grow': 2,
  'scale-up': 4,
  'ungate-grow': 6,
  'wait-sync': 8,
  'gate-shrink': 92,
  'scale-down': 94,
  'ungate-shrink': 97,
  'gate-rollback': 92,
  'roll-back': 94,
  'ungate-rollback': 97,
  finish: 99,
};
const syncShare = 84;

/** How far a whole move is, 0 to 100: replicas already moved, and where the one in hand is. */
export function movePercent(move: MoveView): number {
  if (move.result !== undefined) {
    return 100;
  }
  const replicas = Math.max(1, move.replicasPlanned);
  const syncing = move.step === 'wait-sync' ? ((move.syncPercent ?? 0) / 100) * syncShare : 0;
  const inHand = move.replicasMoved >= replicas ? 0 : (shareBefore[move.step] + syncing) / 100;
  return Math.min(99, ((Math.min(move.replicasMoved, replicas) + inHand) / replicas) * 100);
}
