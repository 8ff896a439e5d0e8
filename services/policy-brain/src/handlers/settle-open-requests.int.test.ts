import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { ledgerBucket } from '@couchestor/shared/contracts/brain';
import { finishedMovesBucket, journalBucket, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LedgerStore } from '../adapters/ledger-store.ts';
import { PolicyRecordStore } from '../adapters/policy-record-store.ts';
import { Brain } from '../brain.ts';
import { advance, request } from '../domain/ledger.ts';
import { requestFor, situation, volumeId } from '../testing/fixtures.ts';
import { settleOpenRequests } from './settle-open-requests.ts';

const id = volumeId(1);
const minuteMs = 60_000;

let nats: TestServer;
let bus: Bus;
let ledger: LedgerStore;
let records: PolicyRecordStore;

beforeEach(async () => {
  nats = await startTestNats();
  bus = await connectBus({ url: nats.url, name: 'policy-brain', logger: quietLogger() });
  ledger = new LedgerStore(bus, { assertLeads: () => undefined });
  await ledger.open();
  records = new PolicyRecordStore(bus, { assertLeads: () => undefined });
  await records.open();
  await ledger.change(id, (entry) => request(entry, { request: requestFor(), numReplicas: 2, sight: '' }));
  await ledger.change(id, (entry) => advance(entry, requestFor().moveId, 'wait-sync'));
});

afterEach(async () => {
  await ledger.close();
  await records.close();
  await bus.close();
  await nats.stop();
});

async function settleAfter(ms: number): Promise<void> {
  const record = [...ledger.entries()][0];
  const deps = {
    brain: new Brain(1, { stillLeads: () => true }),
    bus,
    ledger,
    records,
    logger: quietLogger(),
    mayastor: { getVolume: async () => undefined },
  };
  await settleOpenRequests(deps, situation({ nowMs: (record?.writtenAt.getTime() ?? 0) + ms }));
}

const record: MoveRecord = {
  request: requestFor(),
  step: 'wait-sync',
  attempt: 1,
  startedAt: new Date().toISOString(),
  scaleDownSent: false,
  tries: 0,
  replicasMoved: 0,
  replicasPlanned: 2,
  bytesMoved: 0,
  syncedMs: 0,
  story: [],
};

describe('an accepted move without news', () => {
  it('is left alone as long as the journal has it', async () => {
    await bus.bucket(journalBucket).create(id, record);
    await settleAfter(60 * minuteMs);
    expect(ledger.get(id)?.pending?.accepted).toBe(true);
  });

  it('is left alone for ten minutes', async () => {
    await settleAfter(9 * minuteMs);
    expect(ledger.get(id)?.pending?.accepted).toBe(true);
  });

  it('is closed by what the migrator recorded of its end', async () => {
    const result = { outcome: 'success', code: 'MOVED', message: 'Moved.', replicasMoved: 2, bytesMoved: 1 } as const;
    await bus.bucket(finishedMovesBucket).create(record.request.moveId, { ...record, result, finishedAt: new Date().toISOString() });
    await settleAfter(11 * minuteMs);
    expect((await bus.bucket(ledgerBucket).get(id))?.value).toMatchObject({
      failures: 0,
      history: [{ moveId: record.request.moveId, result }],
    });
    expect(ledger.get(id)?.pending).toBeUndefined();
  });

  it('is closed as lost where no record is left, lest it hold its slot for ever', async () => {
    await settleAfter(11 * minuteMs);
    expect(ledger.get(id)?.pending).toBeUndefined();
    expect(ledger.get(id)?.history).toMatchObject([{ result: { outcome: 'aborted', code: 'BRAIN_MOVE_LOST' } }]);
  });
});
