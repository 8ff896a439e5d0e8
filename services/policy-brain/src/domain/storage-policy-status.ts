/**
 * The status of a StoragePolicy's custom resource, from what the brain shows of the policy, the record of its moves, and the status as it
 * stands. Pure.
 *
 * What stands is built upon: a condition keeps the time of its last change across restarts of the brain, totals never fall, and lines of
 * history stay that the record has lost.
 */
import type { PolicyRecord, PolicyView } from '@couchestor/shared/contracts/brain';
import {
  type MigrationHistoryEntry,
  migrationHistoryMax,
  type StoragePolicyStatus,
  storagePolicyConditions,
} from '@couchestor/shared/storage-policy';
import { durationText } from './duration-text.ts';
import { totalsOf } from './policy-record.ts';

export interface StorageStatusFacts {
  readonly view: PolicyView;
  /** Volumes that still hold the old replica of an earlier move. */
  readonly kept: number;
  /** Of the spec that the view is about. */
  readonly generation: number;
  readonly record: PolicyRecord | undefined;
  readonly before: StoragePolicyStatus | undefined;
  readonly nowMs: number;
}

type Conditions = NonNullable<StoragePolicyStatus['conditions']>;

const errorCharsMax = 2_000;

export function storagePolicyStatus({ view, kept, generation, record, before, nowMs }: StorageStatusFacts): StoragePolicyStatus {
  const totals = totalsOf(record);
  return {
    phase: view.phase,
    observedGeneration: generation,
    watchedVolumes: view.watchedVolumes,
    hotVolumes: view.hotVolumes,
    warmVolumes: view.warmVolumes,
    coldVolumes: view.coldVolumes,
    keptVolumes: kept,
    activeMigrations: view.activeMigrations,
    totalMigrations: Math.max(totals.total, before?.totalMigrations ?? 0),
    failedMigrations: Math.max(totals.failed, before?.failedMigrations ?? 0),
    lastReconcileTime: seconds(new Date(nowMs).toISOString()),
    conditions: conditionsOf(view, { generation, before: before?.conditions ?? [] }),
    migrationHistory: historyOf(record, before?.migrationHistory ?? []),
  };
}

function conditionsOf({ conditions }: PolicyView, o: { generation: number; before: Conditions }): Conditions {
  const ours = conditions.map(({ lastTransitionTime, message, ...condition }) => {
    const previous = o.before.find(({ type }) => type === condition.type);
    const since = previous?.status === condition.status ? previous.lastTransitionTime : undefined;
    return {
      ...condition,
      // Kubernetes 1.20 takes an empty text within a merge patch's list for null, and refuses that.
      ...(message === '' ? {} : { message }),
      observedGeneration: o.generation,
      lastTransitionTime: since ?? seconds(lastTransitionTime),
    };
  });
  // Conditions that somebody else keeps in the same list stay theirs. Of ours, those go that nothing is said of any more.
  const theirs = o.before.filter(({ type }) => !Object.hasOwn(storagePolicyConditions, type));
  return [...ours, ...theirs];
}

/** Newest first. The same move twice only where one line is the record's and one the status's: its volume and time tell. */
function historyOf(record: PolicyRecord | undefined, before: readonly MigrationHistoryEntry[]): MigrationHistoryEntry[] {
  const lines = (record?.history ?? []).map(historyLine);
  const known = new Set(lines.map(lineKey));
  return [...lines, ...before.filter((line) => !known.has(lineKey(line)))]
    .sort((left, right) => Date.parse(right.timestamp) - Date.parse(left.timestamp))
    .slice(0, migrationHistoryMax);
}

export function historyLine(move: PolicyRecord['history'][number]): MigrationHistoryEntry {
  const { result } = move;
  return {
    volumeName: move.volumeName,
    timestamp: move.finishedAt,
    fromTier: move.from,
    toTier: move.to,
    triggerIOPS: move.triggerIops,
    duration: durationText(Date.parse(move.finishedAt) - Date.parse(move.startedAt)),
    success: result.outcome === 'success',
    ...(result.outcome === 'success' ? {} : { error: `${result.code}: ${result.message}`.slice(0, errorCharsMax) }),
  };
}

function lineKey({ volumeName, timestamp }: MigrationHistoryEntry): string {
  return `${volumeName} ${timestamp}`;
}

/** As Kubernetes writes times in a status. */
function seconds(instant: string): string {
  return instant.replace(/\.\d+Z$/, 'Z');
}
