import { type PolicyView, policyRecordSchema } from '@couchestor/shared/contracts/brain';
import { type StoragePolicyStatus, storagePolicyStatusSchema } from '@couchestor/shared/storage-policy';
import { describe, expect, it } from 'vitest';
import { finishedMove, nowMs } from '../testing/fixtures.ts';
import { countFinish, emptyRecord, seedRecord } from './policy-record.ts';
import { historyLine, type StorageStatusFacts, storagePolicyStatus } from './storage-policy-status.ts';

const view: PolicyView = {
  name: 'gold',
  source: 'storagepolicy/gold',
  phase: 'Active',
  enabled: true,
  dryRun: false,
  watchedVolumes: 6,
  hotVolumes: 1,
  warmVolumes: 2,
  coldVolumes: 3,
  activeMigrations: 1,
  totalMigrations: 0,
  failedMigrations: 0,
  conditions: [{ type: 'Ready', status: 'True', reason: 'Deciding', message: 'ok', lastTransitionTime: '2026-03-01T12:00:00.500Z' }],
};

const record = countFinish(seedRecord(emptyRecord, { total: 7, failed: 1 }), finishedMove('failed', { code: 'MIG_SYNC_TIMEOUT' }), 'pvc-1');

function statusOf(o: Partial<StorageStatusFacts> = {}): StoragePolicyStatus {
  return storagePolicyStatus({ view, kept: 1, generation: 4, record, before: undefined, nowMs, ...o });
}

describe('the status of a StoragePolicy', () => {
  it('has every field under its published name, and is one that the definition takes', () => {
    const status = statusOf();
    expect(storagePolicyStatusSchema.parse(status)).toEqual(status);
    expect(status).toMatchObject({
      phase: 'Active',
      observedGeneration: 4,
      watchedVolumes: 6,
      hotVolumes: 1,
      warmVolumes: 2,
      coldVolumes: 3,
      keptVolumes: 1,
      activeMigrations: 1,
      totalMigrations: 8,
      failedMigrations: 2,
      lastReconcileTime: '2026-03-01T12:00:00Z',
      conditions: [{ type: 'Ready', status: 'True', observedGeneration: 4, lastTransitionTime: '2026-03-01T12:00:00Z' }],
      migrationHistory: [
        {
          volumeName: 'pvc-1',
          timestamp: '2026-03-01T12:00:00.000Z',
          fromTier: 'cold',
          toTier: 'hot',
          triggerIOPS: 6_000,
          duration: '1.0m',
          success: false,
          error: 'MIG_SYNC_TIMEOUT: It ended as failed.',
        },
      ],
    });
  });

  it('is the same as it stands where nothing changed, but for the time of looking', () => {
    const before = statusOf();
    const again = statusOf({ before, nowMs: nowMs + 60_000 });
    expect({ ...again, lastReconcileTime: before.lastReconcileTime }).toEqual(before);
  });

  it('keeps the time of a condition across a restart, until its status changes', () => {
    const before = statusOf();
    const later = { ...view.conditions[0], lastTransitionTime: '2026-03-02T00:00:00Z' } as PolicyView['conditions'][number];
    expect(statusOf({ before, view: { ...view, conditions: [later] } }).conditions).toEqual(before.conditions);
    const changed = statusOf({ before, view: { ...view, conditions: [{ ...later, status: 'False' }] } });
    expect(changed.conditions).toMatchObject([{ status: 'False', lastTransitionTime: '2026-03-02T00:00:00Z' }]);
  });

  it('leaves conditions of others in the list', () => {
    const theirs = { type: 'Approved', status: 'True' as const };
    expect(statusOf({ before: { conditions: [theirs] } }).conditions).toEqual([expect.objectContaining({ type: 'Ready' }), theirs]);
  });

  it('drops conditions of ours that nothing is said of any more', () => {
    const stale = { type: 'MeasurementUnavailable', status: 'True' as const };
    const invalid = { ...view, phase: 'Error' as const, conditions: view.conditions.map((one) => ({ ...one, status: 'False' as const })) };
    expect(statusOf({ view: invalid, before: { conditions: [stale] } }).conditions?.map(({ type }) => type)).toEqual(['Ready']);
  });

  it('never lets totals fall, and keeps lines that the record has lost', () => {
    const before = statusOf();
    const status = statusOf({ before: { ...before, totalMigrations: 90, failedMigrations: 30 }, record: undefined });
    expect(status).toMatchObject({ totalMigrations: 90, failedMigrations: 30, migrationHistory: before.migrationHistory });
  });

  it('shows the newest fifty lines of record and status together, each once', () => {
    const line = { volumeName: 'pvc-0', fromTier: 'hot', toTier: 'cold', triggerIOPS: 1, duration: '1.0s', success: true };
    const older = Array.from({ length: 50 }, (_, n) => ({ ...line, timestamp: new Date(nowMs - (n + 1) * 1_000).toISOString() }));
    const own = record.history.map(historyLine);
    const { migrationHistory } = statusOf({ before: { migrationHistory: [...own, ...older] } });
    expect(migrationHistory).toEqual([...own, ...older.slice(0, 49)]);
  });

  it('stands on a record that fits its contract', () => {
    expect(policyRecordSchema.parse(record)).toEqual(record);
  });
});
