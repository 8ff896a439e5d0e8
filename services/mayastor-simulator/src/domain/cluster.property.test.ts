import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scenarioWith, smallScenario, smallVolume, TestCluster } from './cluster.fixture.ts';
import { type Cluster, replicasOf, type Volume } from './cluster.ts';
import { faultReplica, setNodeOnline, setPoolOnline } from './mishaps.ts';
import { Refusal } from './refusal.ts';
import { syncedReplicas } from './status.ts';

const scenario = scenarioWith({
  cacheLagMs: 500,
  faultedChildWaitMs: 20_000,
  volumes: [
    smallVolume,
    { ...smallVolume, name: 'single', replicas: 1, pools: ['cold-n4'] },
    { ...smallVolume, name: 'idle', published: false, pools: ['hot-n2', 'cold-n3'] },
  ],
});

const names = fc.constantFrom('data', 'single', 'idle');
const nodes = fc.constantFrom('n1', 'n2', 'n3', 'n4');
const pools = fc.constantFrom(...smallScenario.pools.map((pool) => pool.id));

type Step = (test: TestCluster) => void;

const grow = names.map<Step>((name) => (test) => void test.setCount(test.volume(name).numReplicas + 1, name));
const shrink = names.map<Step>((name) => (test) => shrinkChecked(test, name));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: grow },
  { weight: 3, arbitrary: shrink },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 15_000 }).map<Step>((ms) => (test) => test.pass(ms)) },
  fc.tuple(nodes, fc.boolean()).map<Step>(
    ([node, online]) =>
      (test) =>
        void setNodeOnline(test.cluster, { node, online, nowMs: test.nowMs }),
  ),
  fc.tuple(pools, fc.boolean()).map<Step>(
    ([pool, online]) =>
      (test) =>
        void setPoolOnline(test.cluster, { pool, online, nowMs: test.nowMs }),
  ),
  fc.tuple(names, fc.nat(3), fc.boolean()).map<Step>(([name, index, forGood]) => (test) => {
    const volume = test.volume(name);
    const replica = volume.replicas[index];
    if (replica !== undefined) {
      faultReplica(test.cluster, { volume: volume.uuid, replica, forGood, nowMs: test.nowMs });
    }
  }),
  names.map<Step>((name) => (test) => void test.request('PUT', `/volumes/${test.volume(name).uuid}/target`, { protocol: 'nvmf' })),
  names.map<Step>((name) => (test) => void test.request('DELETE', `/volumes/${test.volume(name).uuid}/target`)),
  pools.map<Step>((pool) => (test) => void test.request('DELETE', `/pools/${pool}/label/couchestor`)),
  pools.map<Step>((pool) => (test) => void test.request('PUT', `/pools/${pool}/label/couchestor=true`)),
);

/** A shrink that Mayastor takes never leaves fewer healthy online replicas than it was asked to leave, unless there were fewer before. */
function shrinkChecked(test: TestCluster, name: string): void {
  const volume = test.volume(name);
  const wanted = volume.numReplicas - 1;
  const before = syncedReplicas(test.cluster, volume).length;
  const answer = test.setCount(wanted, name);
  const left = syncedReplicas(test.cluster, volume).length;
  if (answer.status === 200 && left < Math.min(before, wanted)) {
    throw new Error(`a shrink to ${wanted} left ${left} synced replicas of ${before}`);
  }
}

/** What is wrong with the volume, if anything. Plain comparisons: this is asked after every step. */
function brokenRule(cluster: Cluster, volume: Volume): string | undefined {
  const replicas = replicasOf(cluster, volume);
  const places = replicas.map((replica) => cluster.pools[replica.pool]?.node);
  if (new Set(places).size !== places.length) {
    return `two replicas on one node: ${places}`;
  }
  if (!replicas.some((replica) => replica.healthy)) {
    return 'no healthy replica is left';
  }
  for (const child of volume.nexus?.children ?? []) {
    const replica = cluster.replicas[child.replica];
    if (child.state === 'Online' && replica?.healthy !== true) {
      return 'a child that is read from does not hold everything';
    }
    if (child.rebuild !== undefined && replica?.healthy !== false) {
      return 'a child that is copied to counts as holding everything';
    }
    if (child.copiedBytes < 0 || child.copiedBytes > volume.sizeBytes) {
      return `${child.copiedBytes} bytes of ${volume.sizeBytes} are copied`;
    }
  }
  return undefined;
}

describe('whatever happens', () => {
  it('no node holds two replicas of a volume, a healthy replica is left, and only healthy children are Online', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.array(step, { minLength: 1, maxLength: 40 }), (seed, steps) => {
        const test = new TestCluster(scenario, seed);
        for (const act of steps) {
          try {
            act(test);
          } catch (error) {
            if (!(error instanceof Refusal)) {
              throw error;
            }
          }
          for (const volume of Object.values(test.cluster.volumes)) {
            const broken = brokenRule(test.cluster, volume);
            if (broken !== undefined) {
              throw new Error(broken);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('the same seed and steps give the same cluster', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.array(
          fc.oneof(
            grow,
            shrink,
            fc.constant<Step>((test) => test.pass(3_000)),
          ),
          { maxLength: 12 },
        ),
        (seed, steps) => {
          const [one, other] = [new TestCluster(scenario, seed), new TestCluster(scenario, seed)];
          for (const test of [one, other]) {
            for (const act of steps) {
              act(test);
            }
          }
          expect(one.cluster).toEqual(other.cluster);
        },
      ),
      { numRuns: 30 },
    );
  });
});
