import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bus, connectBus, type Received } from '@couchestor/shared/bus/connect';
import {
  epochBucket,
  epochKey,
  explainVolume,
  ledgerBucket,
  listPolicies,
  listVolumes,
  moveStanding,
  retryVolume,
  windowsBucket,
  windowsKey,
} from '@couchestor/shared/contracts/brain';
import { type MoveRequest, migrationAdvanced, migrationFinished, migrationRequested } from '@couchestor/shared/contracts/migration';
import { type VolumeSample, volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { moveIdOf } from './domain/ledger.ts';
import { type FakeMayastor, startFakeMayastor } from './testing/fake-mayastor.ts';
import { finishedMove, measured, volumeId, volumeOf } from './testing/fixtures.ts';
import { type RunningBrain, type StartBrainInput, startBrain } from './testing/start-brain.ts';

const id = volumeId(1);
const longIntervalMs = 60_000;

let nats: TestServer;
let mayastor: FakeMayastor;
let policyDir: string;
/** The rest of the world: watcher, migrator and cli at once. */
let others: Bus;
let requests: Received<MoveRequest>[];
let brains: RunningBrain[];
let round: number;

beforeEach(async () => {
  nats = await startTestNats();
  mayastor = await startFakeMayastor();
  mayastor.volumes.push(volumeOf({ id, labels: { 'couchestor-name': 'orders-db' } }));
  policyDir = await mkdtemp(join(tmpdir(), 'couchestor-policies-'));
  await writePolicy('gold');
  others = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
  requests = [];
  await others.watchEvent(migrationRequested, (message) => requests.push(message));
  brains = [];
  round = 0;
});

afterEach(async () => {
  await Promise.all(brains.map((brain) => brain.stop()));
  await others.close();
  await mayastor.stop();
  await nats.stop();
  await rm(policyDir, { recursive: true, force: true });
});

async function writePolicy(name: string, spec: Record<string, unknown> = {}): Promise<void> {
  const selectors = Object.fromEntries(
    ['hot', 'warm', 'cold'].map((tier) => [`${tier}PoolSelector`, { matchLabels: { 'storage-tier': tier } }]),
  );
  const document = {
    apiVersion: 'storage.billyronks.io/v1',
    kind: 'StoragePolicy',
    metadata: { name },
    spec: { ...selectors, samplingWindow: '60s', ...spec },
  };
  await writeFile(join(policyDir, `${name}.yaml`), JSON.stringify(document));
}

async function start(o: Partial<StartBrainInput> = {}): Promise<RunningBrain> {
  const brain = await startBrain({ natsUrl: nats.url, mayastorUrl: mayastor.url, policyDir, ...o });
  brains.push(brain);
  return brain;
}

/** One round of the watcher. */
async function sample(
  samples: readonly VolumeSample[],
  o: { roundIntervalMs?: number; batch?: number; batches?: number } = {},
): Promise<void> {
  const { roundIntervalMs = longIntervalMs, batch = 0, batches = 1 } = o;
  round += batch === 0 ? 1 : 0;
  await others.publish(volumeSampled, {
    windowSeconds: 60,
    round,
    roundIntervalMs,
    observedAt: new Date(round).toISOString(),
    batch,
    batches,
    samples: [...samples],
  });
}

const busy = measured(6_000, { id });
const ask = (volume = id) => others.call(explainVolume, { volume }, { timeoutMs: 5_000 });
const ruleOf = async (volume = id) => (await ask(volume)).volume.decision?.rule;
const rule = (wanted: string, volume = id) => waitUntil(async () => (await ruleOf(volume)) === wanted, { what: `rule ${wanted}` });
const ledgerOf = async (volume = id) => (await others.bucket(ledgerBucket).get(volume))?.value;
const requested = (count: number) => waitUntil(() => requests.length >= count, { what: `${count} requests` });

function accept({ moveId, volumeId: moved }: MoveRequest): Promise<void> {
  return others.publish(migrationAdvanced, { moveId, volumeId: moved, step: 'analyze', replica: 1, replicas: 2, message: 'Accepted.' });
}

function standing(request: MoveRequest) {
  const { moveId, volumeId: asked, epoch, policy } = request;
  return others.call(
    moveStanding,
    { moveId, volumeId: asked, epoch, policyUid: policy.uid, policyGeneration: policy.generation },
    { timeoutMs: 5_000 },
  );
}

function only(): MoveRequest {
  const [first] = requests;
  if (first === undefined) {
    throw new Error('nothing was requested');
  }
  return first.payload;
}

describe('from a sample to a request', () => {
  it('stores the request in the ledger and publishes it, complete', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    const record = await others.bucket(ledgerBucket).get(id);
    expect(only()).toMatchObject({
      moveId: moveIdOf(id, 1),
      volumeId: id,
      policy: { name: 'gold', uid: 'file:gold' },
      epoch: 1,
      from: 'cold',
      to: 'hot',
      triggerIops: 6_000,
    });
    expect(record?.value.pending).toMatchObject({ request: only(), accepted: false, numReplicas: 2 });
    // Two rounds after it was stored, by JetStream's clock.
    const lifeMs = Date.parse(only().expiresAt) - (record?.writtenAt.getTime() ?? 0);
    expect(Math.abs(lifeMs - 2 * longIntervalMs)).toBeLessThan(1_000);
    expect((await ask()).volume).toMatchObject({ name: 'orders-db', pending: { moveId: moveIdOf(id, 1), to: 'hot', step: 'requested' } });
  });

  it('tells the watcher which windows to measure', async () => {
    await writePolicy('silver', { storageClassName: 'other', samplingWindow: '2h' });
    await start();
    await waitUntil(async () => (await others.bucket(windowsBucket).get(windowsKey))?.value.windowSeconds.join() === '60,7200');
  });

  it('waits for all batches of a round', async () => {
    await start();
    await sample([busy], { batches: 2 });
    await rule('NO_ROUND');
    await sample([], { batch: 1, batches: 2 });
    await requested(1);
  });

  it('repeats the request in every round under a new message id, until it is accepted', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    await sample([busy]);
    await requested(2);
    expect(new Set(requests.map((message) => message.id)).size).toBe(2);
    expect(new Set(requests.map(({ payload }) => JSON.stringify(payload))).size).toBe(1);
    await accept(only());
    await waitUntil(async () => (await ledgerOf())?.pending?.accepted === true);
    await sample([busy]);
    await rule('MOVING');
    expect(requests).toHaveLength(2);
  });

  it('clears a request that nobody accepted in time, and asks anew', async () => {
    await start();
    const roundIntervalMs = 250;
    await waitUntil(
      async () => {
        await sample([busy], { roundIntervalMs });
        return requests.some(({ payload }) => payload.moveId === moveIdOf(id, 2));
      },
      { intervalMs: roundIntervalMs },
    );
    expect(await ledgerOf()).toMatchObject({ requests: 2, failures: 0, history: [] });
  });

  it('never has more requests out than allowed', async () => {
    const ids = [1, 2, 3, 4, 5].map(volumeId);
    mayastor.volumes.splice(0, 1, ...ids.map((volume) => volumeOf({ id: volume })));
    await start({ flags: ['--max-concurrent-migrations', '3'] });
    await sample(ids.map((volume) => measured(6_000, { id: volume })));
    await requested(3);
    await sample(ids.map((volume) => measured(6_000, { id: volume })));
    await requested(6);
    expect(new Set(requests.map(({ payload }) => payload.volumeId)).size).toBe(3);
    expect(await Promise.all(ids.map(ruleOf))).toEqual(['REQUESTED', 'REQUESTED', 'REQUESTED', 'NO_SLOT', 'NO_SLOT']);
  });
});

describe('what is unknown', () => {
  it('moves nothing where Mayastor cannot be read, and everything again once it can', async () => {
    mayastor.down = true;
    const brain = await start();
    await sample([busy]);
    const policies = () => others.call(listPolicies, {}, { timeoutMs: 5_000 });
    await waitUntil(
      async () =>
        (await policies()).policies[0]?.conditions.some(({ type, status }) => type === 'MayastorUnavailable' && status === 'True') === true,
    );
    expect((await brain.health.readiness()).ready).toBe(true);
    mayastor.down = false;
    await sample([busy]);
    await requested(1);
    mayastor.down = true;
    await sample([busy]);
    await rule('REQUESTED');
    await waitUntil(
      async () =>
        (await policies()).policies[0]?.conditions.some(({ type, status }) => type === 'MayastorUnavailable' && status === 'True') === true,
    );
    expect(requests).toHaveLength(1);
  });

  it('moves nothing on a sample that is unknown or stale', async () => {
    await start();
    await sample([{ status: 'unknown', volumeId: id, reason: 'Prometheus did not answer' }]);
    await rule('NOT_MEASURED');
    await sample([measured(6_000, { id, coverage: 0.5 })]);
    await rule('LOW_COVERAGE');
    await sample([measured(100, { id })], { roundIntervalMs: 200 });
    await rule('SAMPLE_STALE');
    expect(requests).toEqual([]);
    expect(await ledgerOf()).toBeUndefined();
  });
});

describe('a crash', () => {
  it('between storing and publishing leaves a request that the next brain publishes, the same', async () => {
    const crashing = await start({ spoil: (bus) => ({ ...bus, publish: () => Promise.reject(new Error('killed here')) }) });
    await sample([busy]);
    await waitUntil(async () => (await ledgerOf())?.pending !== undefined);
    await crashing.stop();
    expect(requests).toEqual([]);
    const stored = (await ledgerOf())?.pending?.request;
    await start();
    await sample([busy]);
    await requested(1);
    expect(only()).toEqual({ ...stored, epoch: 2 });
  });

  it('by SIGKILL loses neither the cooldown nor the history', async () => {
    const main = fileURLToPath(new URL('./main.ts', import.meta.url));
    const flags = [
      '--nats-url',
      nats.url,
      '--mayastor-url',
      mayastor.url,
      '--policy-dir',
      policyDir,
      '--metrics-addr',
      '127.0.0.1:0',
      '--health-addr',
      '127.0.0.1:0',
    ];
    flags.push('--leader-lease-seconds', '2');
    const run = () => spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...flags], { stdio: 'ignore' });
    const first = run();
    await sample([busy]);
    await waitUntil(() => requests.length > 0, { timeoutMs: 20_000 });
    await accept(only());
    await others.publish(migrationFinished, { ...finishedMove('success', { moveId: only().moveId }), volumeId: id });
    await waitUntil(async () => (await ledgerOf())?.history.length === 1);
    first.kill('SIGKILL');
    await once(first, 'exit');

    const second = run();
    try {
      await waitUntil(async () => (await others.bucket(epochBucket).get(epochKey))?.value.epoch === 2, { timeoutMs: 20_000 });
      await waitUntil(async () => (await ask().catch(() => undefined)) !== undefined, { timeoutMs: 20_000 });
      await sample([busy]);
      await rule('COOLDOWN');
      expect((await ask()).ledger).toMatchObject({ requests: 1, history: [{ moveId: moveIdOf(id, 1), result: { outcome: 'success' } }] });
      expect(requests).toHaveLength(1);
    } finally {
      second.kill('SIGTERM');
      await once(second, 'exit');
    }
    expect(second.exitCode).toBe(0);
  });

  it('of NATS that loses everything leaves a brain that goes on with an empty ledger', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    await nats.wipe();
    await nats.restart();
    await waitUntil(
      async () =>
        (await others
          .bucket(windowsBucket)
          .get(windowsKey)
          .catch(() => undefined)) === undefined,
      { timeoutMs: 20_000 },
    );
    await waitUntil(
      async () => {
        await sample([busy]);
        return (await ledgerOf())?.pending !== undefined;
      },
      { timeoutMs: 25_000, intervalMs: 500 },
    );
    expect((await others.bucket(windowsBucket).get(windowsKey))?.value.windowSeconds).toEqual([60]);
  });
});

describe('the end of a move', () => {
  it('is written once, however often it is told', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    const end = { ...finishedMove('failed', { moveId: only().moveId }), volumeId: id };
    await others.publish(migrationFinished, end);
    await others.publish(migrationFinished, end);
    await others.publish(migrationFinished, { ...finishedMove('failed', { moveId: 'mffffffffffffffff' }), volumeId: id });
    await waitUntil(async () => (await ledgerOf())?.history.length === 2);
    expect(await ledgerOf()).toMatchObject({ failures: 2, history: [{ moveId: 'mffffffffffffffff' }, { moveId: only().moveId }] });
    expect((await ledgerOf())?.pending).toBeUndefined();
  });

  it('by refusal is not tried again until the cause is gone, and a retry clears it', async () => {
    mayastor.volumes.splice(0, 1, volumeOf({ id, pools: ['cold-1', 'cold-2', 'cold-3'] }));
    await start();
    await sample([busy]);
    await requested(1);
    await others.publish(migrationFinished, {
      ...finishedMove('refused', { moveId: only().moveId, code: 'REFUSED_NO_FREE_NODE', causeFingerprint: 'x' }),
      volumeId: id,
    });
    await waitUntil(async () => (await ledgerOf())?.refusal !== undefined);
    await sample([busy]);
    await rule('REFUSED');
    expect(requests).toHaveLength(1);
    await others.call(retryVolume, { volume: id }, { timeoutMs: 5_000 });
    await requested(2);
    expect(requests[1]?.payload.moveId).toBe(moveIdOf(id, 2));
    await expect(others.call(retryVolume, { volume: id }, { timeoutMs: 5_000 })).rejects.toThrow(/BRAIN_MOVE_OPEN/);
  });
});

describe('whether a move stands', () => {
  it('is denied once its policy is disabled, and an unaccepted request is taken back', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    expect(await standing(only())).toEqual({ stands: true, reason: 'policy gold wants the volume in hot' });
    expect(await standing({ ...only(), moveId: 'mffffffffffffffff' })).toEqual({
      stands: false,
      reason: expect.stringContaining(`the brain now wants move ${only().moveId}`),
    });
    await accept(only());
    await waitUntil(async () => (await ledgerOf())?.pending?.accepted === true);
    await writePolicy('gold', { enabled: false });
    await waitUntil(async () => !(await standing(only())).stands);
    expect((await standing(only())).reason).toBe('policy gold was disabled');
    expect((await ledgerOf())?.pending?.accepted).toBe(true);
  });

  it('is denied for a request that was taken back, and for one that nobody made', async () => {
    await start();
    await sample([busy]);
    await requested(1);
    await sample([measured(100, { id })]);
    await waitUntil(async () => (await ledgerOf())?.pending === undefined);
    expect((await standing(only())).stands).toBe(false);
    expect((await standing({ ...only(), moveId: 'mffffffffffffffff' })).stands).toBe(false);
  });

  it('is not answered by a brain of an earlier term, which decides nothing either', async () => {
    const first = await start({ flags: ['--leader-lease-seconds', '300'] });
    await sample([busy]);
    await requested(1);
    await others.bucket(epochBucket).update(epochKey, { epoch: 9 }, (await others.bucket(epochBucket).get(epochKey))?.revision ?? 0);
    await waitUntil(async () => (await first.health.readiness()).checks['policy-brain'] === 'ok: stands by');
    await expect(standing(only())).rejects.toThrow(/BUS_NO_ANSWER/);
    await sample([busy]);
    await sample([busy]);
    expect(requests).toHaveLength(1);
  });
});

describe('policies', () => {
  it('that are malformed are reported and decide nothing, while the others go on', async () => {
    await writeFile(
      join(policyDir, 'bad.yaml'),
      'apiVersion: storage.billyronks.io/v1\nkind: StoragePolicy\nmetadata: {name: bad}\nspec: {highWatermarkIops: 1}\n',
    );
    const brain = await start();
    await sample([busy]);
    await requested(1);
    const { policies } = await others.call(listPolicies, {}, { timeoutMs: 5_000 });
    const bad = policies.find(({ name }) => name === 'bad');
    expect(bad).toMatchObject({
      phase: 'Error',
      conditions: [{ type: 'Ready', status: 'False', message: expect.stringContaining('did you mean highWatermarkIOPS?') }],
    });
    expect(policies.find(({ name }) => name === 'gold')?.phase).toBe('Active');
    expect((await brain.health.readiness()).ready).toBe(true);
  });

  it('that both select a volume leave it alone and carry the condition', async () => {
    await writePolicy('silver');
    await start();
    await sample([busy]);
    await rule('CONFLICT');
    const { policies } = await others.call(listPolicies, {}, { timeoutMs: 5_000 });
    expect(policies.map(({ conditions }) => conditions.find(({ type }) => type === 'Conflict')?.status)).toEqual(['True', 'True']);
    expect(requests).toEqual([]);
  });

  it('in dry run explain what they would do', async () => {
    await start({ flags: ['--dry-run'] });
    await sample([busy]);
    await rule('DRY_RUN');
    expect((await ask()).volume.decision?.reason).toContain('dry run: would move to hot');
    expect(requests).toEqual([]);
  });

  it('take effect as soon as they change', async () => {
    await start();
    await sample([measured(3_000, { id })]);
    await requested(1);
    expect(only().to).toBe('warm');
    await writePolicy('gold', { highWatermarkIOPS: 2_500, warmWatermarkIOPS: 1_000 });
    await requested(2);
    expect(requests[1]?.payload).toMatchObject({ to: 'hot', moveId: moveIdOf(id, 2) });
  });
});

describe('questions', () => {
  it('find a volume by id, PV name, name, or a beginning that only it has', async () => {
    mayastor.volumes.push(volumeOf({ id: volumeId(2), labels: { 'couchestor-name': 'orders-archive' } }));
    await start();
    await sample([busy]);
    await requested(1);
    for (const text of [id, `pvc-${id}`, 'orders-db', 'orders-d', 'ORDERS-DB']) {
      expect((await ask(text)).volume.volumeId).toBe(id);
    }
    await expect(ask('orders')).rejects.toThrow(/BRAIN_AMBIGUOUS_VOLUME.*orders-archive/);
    await expect(ask('nothing')).rejects.toThrow(/BRAIN_UNKNOWN_VOLUME/);
  });

  it('list all volumes in pages', async () => {
    const ids = Array.from({ length: 25 }, (_, index) => volumeId(index + 1));
    mayastor.volumes.splice(0, 1, ...[...ids].reverse().map((volume) => volumeOf({ id: volume })));
    await start();
    await sample([]);
    await rule('NO_SAMPLE');
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = await others.call(listVolumes, { limit: 10, ...(after === undefined ? {} : { after }) }, { timeoutMs: 5_000 });
      found.push(...page.volumes.map((volume) => volume.volumeId));
      after = page.next;
    } while (after !== undefined);
    expect(found).toEqual(ids);
  });

  it('are measured', async () => {
    const { registry } = await start();
    await sample([busy]);
    await requested(1);
    await sample([busy]);
    await requested(2);
    const text = await registry.metrics();
    for (const line of [
      'couchestor_reconcile_total{result="decided"}',
      'couchestor_volumes{tier="cold"} 1',
      'couchestor_unknown_volumes 0',
      'couchestor_sample_age_seconds{window="60"}',
      'couchestor_policy_conditions{policy="gold",type="Ready"} 1',
    ]) {
      expect(text).toContain(line);
    }
  });
});
