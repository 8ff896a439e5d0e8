/** Which replica a roll-back may take, to the judge of calls. */

import { journalBucket } from '@couchestor/shared/contracts/migrator';
import { someOpenMove } from '@couchestor/shared/testing/facts';
import { describe, expect, it } from 'vitest';
import { moveId, request, volumeId } from '../house.ts';
import { CallJudge } from './call-judge.ts';
import { Caller } from './caller.ts';
import { Dice } from './dice.ts';
import { Expectations } from './expectations.ts';
import { Findings } from './findings.ts';
import { LockBook } from './lock-book.ts';
import { MoveBook } from './move-book.ts';
import { SimMayastor } from './sim-mayastor.ts';
import { SimProcess } from './sim-process.ts';
import { SimTime } from './sim-time.ts';

const callTimeoutMs = 2_000;
const [old, ours, stranger] = [0, 1, 2] as const;
type Which = typeof old | typeof ours | typeof stranger;

/** What is found where the roll-back of a volume with an old replica, ours and a stranger takes one of them. */
function foundWhere(o: { adopted: boolean; takes: Which }): string[] {
  const time = new SimTime();
  const findings = new Findings({ time, traced: false });
  const ids = ['a', 'b', 'c', 'd'];
  const scenario = {
    nodes: ids.map((id) => ({ id })),
    pools: ids.map((id) => ({ id: `pool-${id}`, node: id, capacityBytes: 2 ** 30 })),
    volumes: [{ name: 'v', uuid: volumeId, sizeBytes: 2 ** 26, replicas: 3, pools: ['pool-a', 'pool-b', 'pool-c'] }],
  };
  const mayastor = new SimMayastor({ scenario, seed: 1, time, dice: new Dice(1, 1), findings, callTimeoutMs });
  const { model } = mayastor;
  const volume = model.volumes[volumeId];
  const uuids = volume?.replicas ?? [];
  const placed = (uuid: string) => ({ uuid, pool: model.replicas[uuid]?.pool ?? '', node: '' });
  const lockBook = new LockBook();
  const moves = new MoveBook({ findings, locks: lockBook, movesMax: 1, now: time.now });
  const record = someOpenMove({
    request: request(),
    step: 'roll-back',
    originalReplicas: 2,
    before: [placed(uuids[old] ?? ''), { uuid: 'gone', pool: 'pool-d', node: 'd' }],
    ...(o.adopted ? { newReplica: placed(uuids[ours] ?? '') } : {}),
  });
  moves.stored(journalBucket.name, volumeId, record, undefined);
  const process = new SimProcess({ name: 'migrator', time, onDied: () => undefined });
  const caller = new Caller({ name: 'migrator', process, job: { moveId, volumeId } });
  const nowMs = 60_000;
  lockBook.stored({ holder: 'migrator 1', leaseMs: 10_000, released: false }, nowMs);
  caller.asks({ method: 'GET', path: '/v0/pools', query: {}, body: undefined }, nowMs);
  const judged = { mayastor, findings, locks: lockBook, moves, expectations: new Expectations(model), syncedHoldMs: 5_000, callTimeoutMs };
  const judge = new CallJudge({ ...judged, now: () => nowMs });
  const put = { method: 'PUT', path: `/v0/volumes/${volumeId}/replica_count/2`, query: {}, body: undefined } as const;
  judge.effect(judge.sent(caller, put, { late: false }), () => {
    volume?.replicas.splice(o.takes, 1);
  });
  expect(findings.counts['counts put with effect in their time']).toBe(1);
  return findings.violations.map((violation) => violation.split(' ')[0] ?? '');
}

describe('a roll-back', () => {
  it('may take the replica that was adopted, whatever else there is that was not there before', () => {
    expect(foundWhere({ adopted: true, takes: ours })).toEqual([]);
  });

  it('may not take another one, were it new as well', () => {
    expect(foundWhere({ adopted: true, takes: stranger })).toEqual(['steering']);
    expect(foundWhere({ adopted: true, takes: old })).toEqual(['steering']);
  });

  it('may take none of two where none was adopted', () => {
    expect(foundWhere({ adopted: false, takes: ours })).toEqual(['steering']);
    expect(foundWhere({ adopted: false, takes: stranger })).toEqual(['steering']);
  });
});
