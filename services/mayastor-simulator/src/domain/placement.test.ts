import { describe, expect, it } from 'vitest';
import { mebibyte, scenarioWith, smallScenario, smallVolume, TestCluster } from './cluster.fixture.ts';
import { filtersFailed, type PlacementFilter, placementCase, placementFilters, rankPools } from './placement.ts';

/** Each filter alone keeps hot-n3 from taking a replica: how. */
const obstacles: Record<PlacementFilter, () => TestCluster> = {
  'node online': () => changed((test) => Object.assign(test.cluster.nodes['n3'] ?? {}, { online: false })),
  'node not cordoned': () => changed((test) => test.cluster.nodes['n3']?.cordonLabels.push('maintenance')),
  'node allowed': () => new TestCluster(scenarioWith({}, { topology: { allowedNodes: ['n1', 'n2', 'n4'] } })),
  'node hosts no replica of the volume': () => new TestCluster(scenarioWith({}, { pools: ['hot-n1', 'cold-n3'] })),
  'node labels fit': () => {
    const nodes = smallScenario.nodes.map((node) => ({ ...node, labels: { zone: node.id === 'n3' ? 'b' : 'a' } }));
    return new TestCluster(scenarioWith({ nodes }, { topology: { nodeInclusion: { zone: 'a' } } }));
  },
  'node spread keys differ': () => {
    const nodes = smallScenario.nodes.map((node) => ({ ...node, labels: { rack: node.id === 'n3' ? 'n1' : node.id } }));
    return new TestCluster(scenarioWith({ nodes }, { topology: { nodeSpread: ['rack'] } }));
  },
  'pool usable': () => changed((test) => Object.assign(test.cluster.pools['hot-n3'] ?? {}, { online: false })),
  // Nothing is asked of the free space here, so that the pool fails by its capacity alone.
  'pool large enough': () =>
    changed((test) => Object.assign(test.volume(), { sizeBytes: 1024 * mebibyte, allocatedBytes: -1024 * mebibyte })),
  'pool has space': () => new TestCluster(scenarioWith(fullPool)),
  'pool labels fit': () => new TestCluster(scenarioWith({}, { topology: { inclusion: { tier: 'cold' } } })),
  'encryption equal': () =>
    new TestCluster(scenarioWith({ pools: smallScenario.pools.map((pool) => ({ ...pool, encrypted: pool.id === 'hot-n3' })) })),
  'cluster size equal': () =>
    new TestCluster(
      scenarioWith({ pools: smallScenario.pools.map((pool) => ({ ...pool, clusterSizeBytes: pool.id === 'hot-n3' ? '32MiB' : '4MiB' })) }),
    ),
  'pool not cordoned for replicas': () => changed((test) => Object.assign(test.cluster.pools['hot-n3']?.cordon ?? {}, { replicas: true })),
  'apart from its affinity group': () => {
    const other = { ...smallVolume, name: 'other', replicas: 1, pools: ['cold-n3'], affinityGroup: 'set' };
    return new TestCluster(scenarioWith({ volumes: [{ ...smallVolume, affinityGroup: 'set' }, other] }));
  },
};

const fullPool = {
  volumes: [
    ...smallScenario.volumes,
    { ...smallVolume, name: 'big', sizeBytes: '1015MiB', replicas: 1, pools: ['hot-n3'], thin: false, topology: {} },
  ],
};

function changed(change: (test: TestCluster) => unknown): TestCluster {
  const test = new TestCluster();
  change(test);
  return test;
}

describe('placement', () => {
  it.each(Object.keys(placementFilters) as PlacementFilter[])('filters a pool out by "%s" alone', (filter) => {
    const test = obstacles[filter]();
    const pool = test.cluster.pools['hot-n3'];
    expect(pool).toBeDefined();
    expect(pool && filtersFailed(placementCase(test.cluster, test.volume(), pool))).toEqual([filter]);
  });

  it('passes a pool that has no obstacle', () => {
    const test = new TestCluster();
    const pool = test.cluster.pools['hot-n3'];
    expect(pool && filtersFailed(placementCase(test.cluster, test.volume(), pool))).toEqual([]);
  });

  it.each([
    ['less than 16 MiB free', { freeBytes: 16 * mebibyte }],
    ['committed beyond 250 %', { committedBytes: 2.5 * 1024 * mebibyte }],
    ['less free than is allocated and 40 % of the size', { freeBytes: 17 * mebibyte }],
  ])('refuses a thin volume a pool with %s', (_what, change) => {
    const test = new TestCluster(scenarioWith({}, { sizeBytes: '40MiB', filledPercent: 10 }));
    const pool = test.cluster.pools['hot-n3'];
    expect(pool && filtersFailed({ ...placementCase(test.cluster, test.volume(), pool), ...change })).toEqual(['pool has space']);
  });

  it('asks a thick volume for its whole size', () => {
    const test = new TestCluster(scenarioWith({}, { thin: false }));
    const pool = test.cluster.pools['hot-n3'];
    expect(pool && filtersFailed({ ...placementCase(test.cluster, test.volume(), pool), freeBytes: 8 * mebibyte })).toEqual([
      'pool has space',
    ]);
  });

  it('prefers the pool with more free space and fewer replicas', () => {
    const pools = smallScenario.pools.map((pool) => (pool.id === 'cold-n4' ? { ...pool, capacityBytes: '8GiB' } : pool));
    const test = new TestCluster(scenarioWith({ pools }));
    expect(rankPools(test.cluster, test.volume())[0]?.id).toBe('cold-n4');
  });

  it('lets the seed choose between equal pools', () => {
    const first = new Set(Array.from({ length: 40 }, (_, seed) => rankPools(...placed(seed))[0]?.id));
    expect(first).toEqual(new Set(['hot-n3', 'hot-n4', 'cold-n3', 'cold-n4']));
  });
});

function placed(seed: number): Parameters<typeof rankPools> {
  const test = new TestCluster(scenarioWith(), seed);
  return [test.cluster, test.volume()];
}
