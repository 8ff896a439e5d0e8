/** What must hold in the instant before each call to Mayastor, seen from outside of the code that asks for it. */
import { type RunDeps, runMove } from '@couchestor/migrator/handlers/run-migrate-volume';
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { journalBucket, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { isSynced } from '@couchestor/shared/mayastor/read';
import type { Volume } from '@couchestor/shared/mayastor/schema';
import { gateMarkKey } from '@couchestor/shared/placement/marks';
import { describe, expect, it } from 'vitest';
import {
  atStep,
  cancel,
  ends,
  expectNothingLeft,
  gateKey,
  type House,
  house,
  leftIn,
  request,
  runToEnd,
  sweep,
  volumeId,
} from './house.ts';
import { callTimeoutMs } from './simulated-cluster.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

const syncedHoldMs = 5_000;
const limitMs = 12 * 3_600_000;
const biases = [true, false];

/** Steps right before whose call something happens, each with whether the move is cancelled to come to it. */
const putSteps = [
  ['scale-up', false],
  ['scale-down', false],
  ['roll-back', true],
] as const satisfies readonly (readonly [MoveStep, boolean])[];

type ChangingCall = 'setReplicaCount' | 'cordonPool' | 'uncordonPool' | 'cordonNode' | 'uncordonNode' | 'labelPool' | 'unlabelPool';

/** Does something before each call that changes Mayastor. */
function beforeCalls(mayastor: MayastorClient, act: (name: ChangingCall, words: readonly unknown[]) => Promise<void> | void): void {
  const watch = <A extends unknown[], R>(name: ChangingCall, call: (...words: A) => Promise<R>) => {
    return async (...words: A): Promise<R> => {
      await act(name, words);
      return call.apply(mayastor, words);
    };
  };
  mayastor.setReplicaCount = watch('setReplicaCount', mayastor.setReplicaCount);
  mayastor.cordonPool = watch('cordonPool', mayastor.cordonPool);
  mayastor.uncordonPool = watch('uncordonPool', mayastor.uncordonPool);
  mayastor.cordonNode = watch('cordonNode', mayastor.cordonNode);
  mayastor.uncordonNode = watch('uncordonNode', mayastor.uncordonNode);
  mayastor.labelPool = watch('labelPool', mayastor.labelPool);
  mayastor.unlabelPool = watch('unlabelPool', mayastor.unlabelPool);
}

/** Changes, or only notes, what the process reads of the volume. */
function readings(mayastor: MayastorClient, see: (volume: Volume) => Promise<Volume> | Volume): void {
  const getVolume = mayastor.getVolume.bind(mayastor);
  mayastor.getVolume = async (id) => {
    const volume = await getVolume(id);
    return volume && (await see(volume));
  };
}

/** The move at this process alone, or until it lets go of it. */
async function runAt(h: House, process: SimulatedMigrator, deps: RunDeps = process.deps): Promise<void> {
  const work = process.accept(request()).then(() => runMove(deps, request(), new AbortController().signal));
  await h.time.run(work, limitMs);
  h.world.catchUp();
}

function journalOf(h: House) {
  return h.broker.bus(() => Promise.resolve()).bucket(journalBucket);
}

async function recordOf(h: House): Promise<MoveRecord | undefined> {
  return (await journalOf(h).get(volumeId))?.value;
}

function cancelAt(h: House, cancelled: boolean): void {
  if (cancelled) {
    atStep(h, 'wait-sync', () => cancel(h));
  }
}

describe('the last look before the old replica goes', () => {
  /** For how long the readings right before the shrink had all shown the new replica synced. */
  async function syncedBeforeShrinkMs(o: { seed: number; gateKey: boolean; missAt: number }): Promise<number> {
    const h = house({ seed: o.seed, gateKey: o.gateKey, replicas: 1 });
    const process = h.start();
    let sinceMs: number | undefined;
    let syncedReadings = 0;
    let heldMs = -1;
    readings(process.deps.mayastor, (volume) => {
      const [fresh] = Object.entries(volume.state.replica_topology).find(([, { pool }]) => pool?.startsWith('pool-hot')) ?? [];
      let seen = volume;
      if (fresh !== undefined && isSynced(volume, fresh)) {
        syncedReadings += 1;
        // For one reading the volume is not whole, as when a path to a replica is lost and found again.
        seen = syncedReadings === o.missAt ? { ...volume, state: { ...volume.state, status: 'Degraded' } } : volume;
      }
      sinceMs = fresh !== undefined && isSynced(seen, fresh) ? (sinceMs ?? h.time.now()) : undefined;
      return seen;
    });
    beforeCalls(process.deps.mayastor, (name, [, count]) => {
      if (name === 'setReplicaCount' && count === 1) {
        heldMs = sinceMs === undefined ? -1 : h.time.now() - sinceMs;
      }
    });
    await runAt(h, process);
    expect(ends(h)).toEqual(['success MOVED']);
    expect(syncedReadings).toBeGreaterThan(2);
    await expectNothingLeft(h);
    return heldMs;
  }

  it.each(biases)('has shown the new replica synced in readings that span five seconds (bias by label: %s)', async (byLabel) => {
    for (const seed of [1, 2, 3]) {
      expect(await syncedBeforeShrinkMs({ seed, gateKey: byLabel, missAt: 0 })).toBeGreaterThanOrEqual(syncedHoldMs);
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('counts anew where one of them, here number %i, was not "synced"', async (missAt) => {
    for (const byLabel of biases) {
      expect(await syncedBeforeShrinkMs({ seed: 1, gateKey: byLabel, missAt })).toBeGreaterThanOrEqual(syncedHoldMs);
    }
  });
});

describe('the look before a call', () => {
  it('shows the volume no older than the gates that it is judged by', async () => {
    const h = house({ seed: 1, replicas: 1 });
    const process = h.start();
    const { mayastor } = process.deps;
    const [listPools, listNodes] = [mayastor.listPools.bind(mayastor), mayastor.listNodes.bind(mayastor)];
    let reads: string[] = [];
    let puts = 0;
    mayastor.listPools = () => listPools().finally(() => reads.push('pools'));
    mayastor.listNodes = () => listNodes().finally(() => reads.push('nodes'));
    readings(mayastor, (volume) => {
      reads.push('volume');
      return volume;
    });
    beforeCalls(mayastor, (name) => {
      if (name === 'setReplicaCount') {
        puts += 1;
        expect(reads.slice(-3, -1).sort()).toEqual(['nodes', 'pools']);
        expect(reads.at(-1)).toBe('volume');
      }
      reads = [];
    });
    await runAt(h, process);
    expect(puts).toBe(2);
  });
});

describe('a lock that runs out between the look and the call', () => {
  const gatedSteps = ['gate-grow', 'ungate-grow', 'gate-shrink', 'ungate-shrink'] as const satisfies readonly MoveStep[];

  for (const [step, cancelled] of [...putSteps, ...gatedSteps.map((gated) => [gated, false] as const)]) {
    it.each(biases)(`lets no call out at ${step} that it might not outlast (bias by label: %s)`, async (byLabel) => {
      const h = house({ seed: 1, gateKey: byLabel, replicas: 1 });
      const process = h.start();
      let leftMs = Number.NaN;
      let short = 0;
      let runsOut = false;
      const late: string[] = [];
      cancelAt(h, cancelled);
      atStep(h, step, () => {
        runsOut = true;
      });
      readings(process.deps.mayastor, (volume) => {
        if (runsOut) {
          runsOut = false;
          short += 1;
          // It is held now, and would be for nearly as long as the call may take.
          leftMs = callTimeoutMs;
        }
        return volume;
      });
      beforeCalls(process.deps.mayastor, (name, words) => {
        if (leftMs <= callTimeoutMs) {
          late.push(`${name} ${words.join(' ')}`);
        }
      });
      const lock: RunDeps['lock'] = {
        acquire: async (o) => {
          const hold = await process.deps.lock.acquire(o);
          leftMs = 10_000;
          return {
            surelyHeldFor: (marginMs) => marginMs < leftMs && hold.surelyHeldFor(marginMs),
            lost: hold.lost,
            release: () => {
              leftMs = Number.NaN;
              return hold.release();
            },
          };
        },
      };
      await runAt(h, process, { ...process.deps, lock });
      expect({ late, short }).toEqual({ late: [], short: 1 });
      expect(ends(h)).toEqual([cancelled ? 'aborted CANCELLED' : 'success MOVED']);
      await expectNothingLeft(h);
    });
  }
});

describe('a record that another process advances between the look and the call', () => {
  it.each(putSteps)('lets no call out at %s by what it said before', async (step, cancelled) => {
    const h = house({ seed: 1, replicas: 1 });
    const process = h.start();
    let taken = false;
    let takesOver = false;
    const after: string[] = [];
    cancelAt(h, cancelled);
    atStep(h, step, () => {
      takesOver = true;
    });
    readings(process.deps.mayastor, async (volume) => {
      if (takesOver) {
        takesOver = false;
        taken = true;
        const entry = await journalOf(h).get(volumeId);
        await journalOf(h).update(
          volumeId,
          { ...(entry?.value as MoveRecord), attempt: (entry?.value.attempt ?? 0) + 1 },
          entry?.revision ?? 0,
        );
      }
      return volume;
    });
    beforeCalls(process.deps.mayastor, (name, words) => {
      if (taken) {
        after.push(`${name} ${words.join(' ')}`);
      }
    });
    await runAt(h, process);
    expect({ taken, after }).toEqual({ taken: true, after: [] });
    await runToEnd(h);
    expect(ends(h)).toEqual([cancelled ? 'aborted CANCELLED' : 'success MOVED']);
    await expectNothingLeft(h);
  });
});

describe('the journal', () => {
  it.each(biases)('says of each call that it may have been made before it is made (bias by label: %s)', async (byLabel) => {
    for (const cancelled of [false, true]) {
      const h = house({ seed: 1, gateKey: byLabel, replicas: 1 });
      const process = h.start();
      const told = new Set<string>();
      cancelAt(h, cancelled);
      beforeCalls(process.deps.mayastor, async (name, [target, what]) => {
        const record = await recordOf(h);
        const biased = name === 'cordonNode' || (name === 'unlabelPool' && what === gateKey);
        if (name === 'setReplicaCount') {
          told.add(`put ${what}: ${record?.step}, before ${record?.before?.length}, sent ${record?.scaleDownSent}`);
        } else if (name === 'cordonPool') {
          expect({ target, step: record?.step, planned: record?.plan?.cordonPools }).toMatchObject({
            step: 'gate-grow',
            planned: expect.arrayContaining([target]),
          });
        } else if (biased) {
          told.add(
            `bias: ${record?.step}, ${record?.bias?.kind} ${record?.bias?.kind === 'pool-label' ? record.bias.pool === target : record?.bias?.node === target}`,
          );
        }
      });
      await runAt(h, process);
      const [bias, count] = cancelled ? ['gate-rollback', 'roll-back'] : ['gate-shrink', 'scale-down'];
      expect([...told]).toEqual([
        'put 2: scale-up, before 1, sent false',
        `bias: ${bias}, ${byLabel ? 'pool-label' : 'node-cordon'} true`,
        `put 1: ${count}, before 1, sent ${!cancelled}`,
      ]);
      await expectNothingLeft(h);
    }
  });
});

describe('a pool that an administrator cordons while the gate is being placed', () => {
  const pool = 'pool-warm-6';
  const cordonByHand = (h: House) => {
    h.world.call('PUT', `/pools/${pool}/cordon`, { replicas: true, snapshots: false, restores: false, import: false });
  };

  it('just before we look at it again is never marked as ours', async () => {
    const h = house({ seed: 1, replicas: 1 });
    const process = h.start();
    const marked: string[] = [];
    const getPool = process.deps.mayastor.getPool.bind(process.deps.mayastor);
    process.deps.mayastor.getPool = (id) => {
      if (id === pool) {
        cordonByHand(h);
      }
      return getPool(id);
    };
    beforeCalls(process.deps.mayastor, (name, [target, label]) => {
      if (name === 'labelPool' && target === pool && (label as { key: string }).key === gateMarkKey) {
        marked.push(pool);
      }
    });
    await runAt(h, process);
    await sweep(h);
    expect(marked).toEqual([]);
    expect(ends(h)).toEqual(['success MOVED']);
    expect(await leftIn(h)).toEqual([`cordon on ${pool}`]);
  });

  it('between our mark and our cordon stays cordoned, and loses our mark', async () => {
    const h = house({ seed: 1, replicas: 1 });
    const process = h.start();
    beforeCalls(process.deps.mayastor, (name, [target]) => {
      if (name === 'cordonPool' && target === pool) {
        cordonByHand(h);
      }
    });
    await runAt(h, process);
    await sweep(h);
    expect(ends(h)).toEqual(['success MOVED']);
    expect(await leftIn(h)).toEqual([`cordon on ${pool}`]);
  });
});
