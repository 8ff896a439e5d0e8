/** The migrator as a process, between real servers: NATS, Redis and the simulator of Mayastor. */

import { randomBytes } from 'node:crypto';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { moveStanding } from '@couchestor/shared/contracts/brain';
import {
  type FinishedMove,
  type MoveRequest,
  migrationAdvanced,
  migrationFinished,
  migrationRequested,
} from '@couchestor/shared/contracts/migration';
import { cancelMove, listMoves, showMove } from '@couchestor/shared/contracts/migrator';
import { eventFilter } from '@couchestor/shared/contracts/subjects';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { findLeftovers, findVolumeMarks } from '@couchestor/shared/placement/marks';
import { someMoveRequest } from '@couchestor/shared/testing/facts';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, startTestRedis, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { publishRaw, type ServiceProcess, type SimulatorProcess, startMigrator, startSimulator } from './testing/processes.ts';

const mebibyte = 1024 * 1024;
const names = ['whole', 'killed', 'stopped', 'redis', 'cancelled', 'after-rubbish', 'wiped', 'twice'] as const;
type Name = (typeof names)[number];
const volumeIds = Object.fromEntries(names.map((name, index) => [name, `${index}1111111-2222-4333-8444-555555555555`])) as Record<
  Name,
  string
>;
const slow = { timeoutMs: 40_000 };

const tiers = ['hot', 'hot', 'cold', 'cold', 'warm'];
const scenario = {
  rebuildBytesPerSecond: 4 * mebibyte,
  cacheLagMs: 100,
  operationMs: 30,
  nodes: tiers.map((_, index) => ({ id: `node-${index + 1}` })),
  pools: tiers.map((tier, index) => ({
    id: `pool-${tier}-${index + 1}`,
    node: `node-${index + 1}`,
    capacityBytes: 1024 * mebibyte,
    labels: { 'storage-tier': tier, 'couchestor-managed': 'true' },
  })),
  volumes: names.map((name, index) => ({
    name,
    uuid: volumeIds[name],
    sizeBytes: 12 * mebibyte,
    replicas: 1,
    pools: [`pool-cold-${3 + (index % 2)}`],
    thin: false,
    filledPercent: 50,
    topology: { presence: ['couchestor-managed'] },
    load: [{ forSeconds: 600, iops: 50 }],
  })),
};

let nats: TestServer;
let redis: TestServer;
let simulator: SimulatorProcess;
let mayastor: MayastorClient;
/** Brain and cli at once. */
let others: Bus;
let ends: FinishedMove[];
let steps: { moveId: string; step: string; syncPercent?: number | undefined }[];
let migrators: ServiceProcess[];

beforeAll(async () => {
  [nats, redis, simulator] = await Promise.all([startTestNats(), startTestRedis(), startSimulator(scenario)]);
  mayastor = new MayastorClient({ url: simulator.url, requestTimeoutMs: 5_000 });
  others = await connectBus({ url: nats.url, name: 'policy-brain', logger: quietLogger() });
  await others.serve(moveStanding, async () => ({ stands: true, reason: 'it stands' }));
  await others.watchEvent(migrationFinished, ({ payload }) => ends.push(payload));
  await others.watchEvent(migrationAdvanced, ({ payload }) => steps.push(payload));
});

afterAll(async () => {
  await others?.close();
  await mayastor?.close();
  await Promise.all([simulator?.end('SIGKILL'), redis?.stop(), nats?.stop()]);
});

beforeEach(() => {
  ends = [];
  steps = [];
  migrators = [];
});

afterEach(async () => {
  await Promise.all(migrators.map((migrator) => migrator.end('SIGKILL')));
});

async function start(flags: readonly string[] = []): Promise<ServiceProcess> {
  const migrator = await startMigrator({ natsUrl: nats.url, redisUrl: redis.url, mayastorUrl: simulator.url, flags });
  migrators.push(migrator);
  return migrator;
}

async function ask(name: Name): Promise<MoveRequest> {
  const request = someMoveRequest({ moveId: `m${randomBytes(8).toString('hex')}`, volumeId: volumeIds[name] });
  await others.publish(migrationRequested, request);
  return request;
}

async function reached(moveId: string, step: string): Promise<void> {
  await waitUntil(() => steps.some((one) => one.moveId === moveId && one.step === step), { ...slow, what: `${moveId} at ${step}` });
}

async function ended(moveId: string): Promise<FinishedMove> {
  await waitUntil(() => ends.some((end) => end.moveId === moveId), { ...slow, what: `the end of ${moveId}` });
  const end = ends.find((one) => one.moveId === moveId);
  if (end === undefined) {
    throw new Error('it was there a moment ago');
  }
  return end;
}

async function poolsOf(name: Name): Promise<(string | null | undefined)[]> {
  const volume = await mayastor.getVolume(volumeIds[name]);
  return Object.values(volume?.state.replica_topology ?? {}).map(({ pool }) => pool);
}

/** Nothing of ours is left in Mayastor, no byte is wrong, and no volume was ever short of a replica. */
async function expectCleanCluster(): Promise<void> {
  const [pools, nodes] = await Promise.all([mayastor.listPools(), mayastor.listNodes()]);
  expect(findLeftovers(pools, nodes)).toEqual([]);
  expect(findVolumeMarks(pools)).toEqual([]);
  expect(
    pools.filter(({ spec }) => spec?.cordonDrain?.cordoned?.replicas === true || spec?.labels?.['couchestor-managed'] !== 'true'),
  ).toEqual([]);
  const verification = await (await fetch(`${simulator.adminUrl}/verify`, { method: 'POST' })).json();
  expect(verification).toMatchObject({ corrupt: 0, corruptReads: 0, underReplicatedMs: 0 });
}

describe('the migrator', () => {
  it('moves a volume that it is asked to move, tells every step, and counts it', async () => {
    const migrator = await start();
    const { moveId } = await ask('whole');
    expect(await ended(moveId)).toMatchObject({ result: { outcome: 'success', code: 'MOVED', replicasMoved: 1 }, policy: 'gold' });
    expect(await poolsOf('whole')).toEqual([expect.stringMatching(/^pool-hot/)]);
    const order = [
      'analyze',
      'gate-grow',
      'scale-up',
      'ungate-grow',
      'wait-sync',
      'gate-shrink',
      'scale-down',
      'ungate-shrink',
      'analyze',
      'finish',
    ];
    const told = steps.filter((one) => one.moveId === moveId).map(({ step }) => step);
    expect(told.filter((step, index) => step !== told[index - 1])).toEqual(order);
    const metrics = /metrics=(\S+)/.exec(migrator.output())?.[1] ?? '';
    expect(await (await fetch(metrics)).text()).toContain('couchestor_migrations_total{status="success"} 1');
    const shown = await others.call(showMove, { move: moveId }, { timeoutMs: 5_000 });
    expect(shown.story.length).toBeGreaterThan(8);
    await expectCleanCluster();
  });

  it('finishes a move after kill -9 in mid-sync', async () => {
    const first = await start();
    const { moveId } = await ask('killed');
    await reached(moveId, 'wait-sync');
    await first.end('SIGKILL');
    expect(ends).toEqual([]);
    await start();
    expect((await ended(moveId)).result).toMatchObject({ outcome: 'success', code: 'MOVED' });
    expect(await poolsOf('killed')).toEqual([expect.stringMatching(/^pool-hot/)]);
    await expectCleanCluster();
  });

  it('stops in order when told to in mid-sync, and goes on after its next start', async () => {
    const first = await start();
    const { moveId } = await ask('stopped');
    await reached(moveId, 'wait-sync');
    await first.end('SIGTERM');
    expect(first.exitCode()).toBe(0);
    await start();
    expect((await ended(moveId)).result.code).toBe('MOVED');
    await expectCleanCluster();
  });

  it('finishes a move though Redis comes back empty in the middle of it', async () => {
    await start();
    const { moveId } = await ask('redis');
    await reached(moveId, 'wait-sync');
    await redis.wipe();
    await redis.restart();
    expect((await ended(moveId)).result.code).toBe('MOVED');
    expect(await poolsOf('redis')).toEqual([expect.stringMatching(/^pool-hot/)]);
    await expectCleanCluster();
  });

  it('brings a volume back when its move is cancelled', async () => {
    await start();
    const { moveId, volumeId } = await ask('cancelled');
    await reached(moveId, 'wait-sync');
    expect(await others.call(cancelMove, { move: volumeId }, { timeoutMs: 5_000 })).toMatchObject({ moveId });
    expect((await ended(moveId)).result).toMatchObject({ outcome: 'aborted', code: 'CANCELLED' });
    expect(await poolsOf('cancelled')).toEqual([expect.stringMatching(/^pool-cold/)]);
    await expect(others.call(cancelMove, { move: moveId }, { timeoutMs: 5_000 })).rejects.toThrow(/MOVE_ENDED|UNKNOWN_MOVE/);
    await expectCleanCluster();
  });

  it('puts what it cannot read among the dead letters, and works on', async () => {
    const migrator = await start();
    const before = await others.deadLetters.count();
    const subject = eventFilter(migrationRequested);
    for (const rubbish of [
      '<html>',
      '{}',
      JSON.stringify({ id: 'x', type: 'migration.requested', version: 1, producer: 'y', at: '', payload: { moveId: 'no' } }),
    ]) {
      await publishRaw({ natsUrl: nats.url, subject, payload: rubbish });
    }
    await waitUntil(async () => (await others.deadLetters.count()) === before + 3, { ...slow, what: 'three dead letters' });
    const { moveId } = await ask('after-rubbish');
    expect((await ended(moveId)).result.code).toBe('MOVED');
    expect(migrator.exitCode()).toBeNull();
    await expectCleanCluster();
  });

  it('moves a volume once that is asked for many times over, by two migrators', async () => {
    await Promise.all([start(), start()]);
    const request = await ask('twice');
    await Promise.all(Array.from({ length: 5 }, () => others.publish(migrationRequested, request)));
    expect((await ended(request.moveId)).result).toMatchObject({ code: 'MOVED', replicasMoved: 1 });
    await waitUntil(async () => (await others.call(listMoves, { finishedLimit: 0 }, { timeoutMs: 5_000 })).open.length === 0, slow);
    expect(new Set(ends.filter(({ moveId }) => moveId === request.moveId).map(({ result }) => result.code))).toEqual(new Set(['MOVED']));
    await expectCleanCluster();
  });

  it('brings a volume back by the marks in Mayastor alone when NATS and Redis have both come back empty', async () => {
    const first = await start();
    const { moveId, volumeId } = await ask('wiped');
    await reached(moveId, 'wait-sync');
    await first.end('SIGKILL');
    await Promise.all([nats.wipe(), redis.wipe()]);
    await Promise.all([nats.restart(), redis.restart()]);
    await start();
    await waitUntil(async () => (await mayastor.getVolume(volumeId))?.spec.num_replicas === 1, { ...slow, what: 'one replica' });
    await waitUntil(async () => findVolumeMarks(await mayastor.listPools()).length === 0, { ...slow, what: 'no mark' });
    await waitUntil(async () => (await poolsOf('wiped')).length === 1, slow);
    expect(await poolsOf('wiped')).toEqual([expect.stringMatching(/^pool-cold/)]);
    await expectCleanCluster();
  });

  it('refuses options that would make a move unsafe', async () => {
    const unsafe = startMigrator({
      natsUrl: nats.url,
      redisUrl: redis.url,
      mayastorUrl: simulator.url,
      flags: ['--gate-lease-seconds', '2', '--mayastor-timeout-seconds', '10'],
    });
    await expect(unsafe).rejects.toThrow(/gate-lease-seconds.*at least twice/s);
  });
});
