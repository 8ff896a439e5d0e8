/** What the demonstration must have seen. Pure: events in, goals out. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import { type Tier, tiersFastestFirst } from '@couchestor/shared/tiers';

export interface Story {
  /** Moves that ended, in the order of their ends. */
  readonly finished: readonly FinishedMove[];
  /** The reason for each volume that could not move, by its id. */
  readonly refusals: Readonly<Record<string, string>>;
  /** The move in whose middle the migrator was killed. */
  readonly interrupted: { readonly moveId: string; readonly volumeId: string } | undefined;
}

export const emptyStory: Story = { finished: [], refusals: {}, interrupted: undefined };

export interface Goal {
  readonly what: string;
  readonly reached: boolean;
}

export function withMove(story: Story, move: FinishedMove): Story {
  if (story.finished.some(({ moveId }) => moveId === move.moveId)) {
    return story;
  }
  const refusals = move.result.outcome === 'refused' ? { ...story.refusals, [move.volumeId]: move.result.message } : story.refusals;
  return { ...story, finished: [...story.finished, move], refusals };
}

export function withDecisions(story: Story, volumes: readonly VolumeView[]): Story {
  const blocked = volumes.flatMap(({ volumeId, decision }) => (decision?.verb === 'blocked' ? [[volumeId, decision.reason] as const] : []));
  return blocked.length === 0 ? story : { ...story, refusals: { ...Object.fromEntries(blocked), ...story.refusals } };
}

export function goalsOf(story: Story): Goal[] {
  const paths = successPaths(story);
  return [
    { what: 'a volume goes from cold to hot', reached: paths.some((path) => includesRun(path, ['cold', 'hot'])) },
    { what: 'a volume goes from hot to warm to cold', reached: paths.some((path) => includesRun(path, ['hot', 'warm', 'cold'])) },
    { what: 'a volume cannot move and says why', reached: Object.values(story.refusals).some((reason) => reason !== '') },
    { what: 'a move whose migrator was killed in its middle ends well', reached: countRecovered(story) > 0 },
  ];
}

/** A volume that was mixed is repaired by its move, neither promoted nor demoted. */
export function countPromoted(story: Story): number {
  return successes(story).filter(({ from, to }) => from !== 'mixed' && rank(to) < rank(from)).length;
}

export function countDemoted(story: Story): number {
  return successes(story).filter(({ from, to }) => from !== 'mixed' && rank(to) > rank(from)).length;
}

export function countRecovered({ finished, interrupted }: Story): number {
  return finished.filter(({ moveId, result }) => moveId === interrupted?.moveId && result.outcome === 'success').length;
}

export function countFailed({ finished }: Story): number {
  return finished.filter(({ result }) => result.outcome === 'failed' || result.outcome === 'aborted').length;
}

function successes({ finished }: Story): FinishedMove[] {
  return finished.filter(({ result }) => result.outcome === 'success');
}

/** The tiers that each volume went through, in order. */
function successPaths(story: Story): string[][] {
  const paths = new Map<string, string[]>();
  for (const { volumeId, from, to } of successes(story)) {
    const path = paths.get(volumeId) ?? [from];
    paths.set(volumeId, path.at(-1) === from ? [...path, to] : [...path, from, to]);
  }
  return [...paths.values()];
}

function includesRun(path: readonly string[], run: readonly string[]): boolean {
  return path.some((_, start) => run.every((tier, offset) => path[start + offset] === tier));
}

function rank(tier: Tier): number {
  return tiersFastestFirst.indexOf(tier);
}
