import { describe, expect, it } from 'vitest';
import { scenarioWith, smallVolume, TestCluster } from './cluster.fixture.ts';
import { type RemovalKey, rankRemovals, removalKeys, removalOrder } from './removal.ts';

const seeds = Array.from({ length: 16 }, (_, seed) => seed);

/** A volume on hot-n1 (the target's node), hot-n2 and hot-n3, and what makes hot-n3 the first to go by one key. */
const biases: Record<RemovalKey, (test: TestCluster) => void> = {
  unhealthy: (test) => {
    test.replicaOn('hot-n3').healthy = false;
  },
  'child state': (test) => setChild(test, { state: 'Degraded' }),
  'rebuild progress': (test) => setChild(test, { copiedBytes: 4096 }),
  'node topology': (test) => {
    Object.assign(test.volume().topology ?? {}, { allowedNodes: ['n1', 'n2'] });
  },
  'pool topology': (test) => {
    delete test.cluster.pools['hot-n3']?.labels['couchestor'];
  },
  'node spread': (test) => {
    // Both replicas of a clash are candidates: locality then keeps the one on the target's node.
    Object.assign(test.cluster.nodes['n1']?.labels ?? {}, { rack: 'a' });
    Object.assign(test.cluster.nodes['n3']?.labels ?? {}, { rack: 'a' });
    Object.assign(test.cluster.nodes['n2']?.labels ?? {}, { rack: 'b' });
    Object.assign(test.volume().topology ?? {}, { nodeSpread: ['rack'] });
  },
  'cordoned node': (test) => test.cluster.nodes['n3']?.cordonLabels.push('ours'),
  'cordoned pool': (test) => Object.assign(test.cluster.pools['hot-n3']?.cordon ?? {}, { replicas: true }),
  locality: (test) => {
    const nexus = test.volume().nexus;
    test.volume().replicas = test.volume().replicas.filter((uuid) => test.cluster.replicas[uuid]?.pool !== 'hot-n2');
    expect(nexus?.node).toBe('n1');
  },
  'affinity group': (test) => {
    // hot-n3 holds another replica of the group, and so does the target's node: only n3 is remote and crowded.
    Object.assign(test.volume('other'), { affinityGroup: 'set' });
    Object.assign(test.volume(), { affinityGroup: 'set' });
  },
};

function setChild(test: TestCluster, change: object): void {
  const uuid = test.replicaOn('hot-n3').uuid;
  Object.assign(test.volume().nexus?.children.find((child) => child.replica === uuid) ?? {}, change);
}

function threeReplicas(seed: number, version: '2.10' | '2.9' = '2.10'): TestCluster {
  const volumes = [
    { ...smallVolume, replicas: 3, pools: ['hot-n1', 'hot-n2', 'hot-n3'] },
    { ...smallVolume, name: 'other', replicas: 1, pools: ['hot-n3'] },
  ];
  return new TestCluster(scenarioWith({ volumes, mayastorVersion: version }), seed);
}

describe('removal', () => {
  it.each((Object.keys(removalKeys) as RemovalKey[]).filter((key) => key !== 'cordoned pool'))(
    'takes first the replica that "%s" points at',
    (key) => {
      for (const seed of seeds) {
        const test = threeReplicas(seed);
        biases[key](test);
        expect(rankRemovals(test.cluster, test.volume())[0]?.pool).toBe('hot-n3');
      }
    },
  );

  it('keeps the replica on the node of the target where nothing else differs, and leaves the rest to the seed', () => {
    const first = new Set<string>();
    for (const seed of seeds) {
      const test = threeReplicas(seed);
      const order = rankRemovals(test.cluster, test.volume()).map((replica) => replica.pool);
      expect(order.at(-1)).toBe('hot-n1');
      first.add(order[0] ?? '');
    }
    expect(first).toEqual(new Set(['hot-n2', 'hot-n3']));
  });

  it('heeds a cordoned pool only by some seeds, and never in 2.9', () => {
    const heeds = (version: '2.10' | '2.9') =>
      new Set(seeds.map((seed) => removalOrder(threeReplicas(seed, version).cluster).includes('cordoned pool')));
    expect(heeds('2.10')).toEqual(new Set([true, false]));
    expect(heeds('2.9')).toEqual(new Set([false]));
  });

  it.each([
    ['an unhealthy replica before one that the label gate points at', 'unhealthy', 'pool topology'],
    ['a rebuilding replica before one that the label gate points at', 'child state', 'pool topology'],
    ['a replica off the topology before a remote one', 'pool topology', 'locality'],
    ['a replica on a cordoned node before a remote one', 'cordoned node', 'locality'],
  ] as const)('takes %s', (_what, stronger, weaker) => {
    for (const seed of seeds) {
      const order = removalOrder(threeReplicas(seed).cluster);
      expect(order.indexOf(stronger)).toBeLessThan(order.indexOf(weaker));
    }
  });

  it('lets the seed decide whether node cordon or topology counts more', () => {
    const before = seeds
      .map((seed) => removalOrder(threeReplicas(seed).cluster))
      .map((order) => order.indexOf('cordoned node') < order.indexOf('pool topology'));
    expect(new Set(before)).toEqual(new Set([true, false]));
  });
});
