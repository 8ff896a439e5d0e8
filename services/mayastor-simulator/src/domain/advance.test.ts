import { describe, expect, it } from 'vitest';
import { mebibyte, scenarioWith, TestCluster } from './cluster.fixture.ts';
import { cloneCluster, type Effect } from './cluster.ts';
import { failOverVolume, faultReplica, setNodeOnline, setPoolOnline } from './mishaps.ts';

type Copied = Extract<Effect, { kind: 'rebuild-copied' }>;
const copies = (effects: readonly Effect[]) => effects.filter((effect): effect is Copied => effect.kind === 'rebuild-copied');

describe('rebuilds', () => {
  it('copy every byte once, in order, at the rebuild rate', () => {
    const test = new TestCluster();
    test.setCount(3);
    for (let step = 0; step < 200; step += 1) {
      test.pass(50);
    }
    const ranges = copies(test.effects);
    expect(ranges[0]?.fromByte).toBe(0);
    expect(ranges.at(-1)?.toByte).toBe(8 * mebibyte);
    ranges.forEach((range, index) => {
      expect(range.fromByte).toBe(ranges[index - 1]?.toByte ?? 0);
      expect(range.toByte % 4096).toBe(0);
    });
    expect(test.effects.at(-1)).toMatchObject({ kind: 'rebuild-ended', state: 'Completed' });
  });

  it('go on from another source when theirs is lost, and fail when none is left', () => {
    const test = new TestCluster();
    test.setCount(3);
    test.pass(2_000);
    const source = copies(test.effects)[0]?.source ?? '';
    const volume = test.volume().uuid;
    faultReplica(test.cluster, { volume, replica: source, forGood: true, nowMs: test.nowMs });
    test.pass(1_000);
    const last = copies(test.effects).at(-1);
    expect(last?.source).not.toBe(source);
    expect(last?.toByte).toBe(3 * mebibyte);

    faultReplica(test.cluster, { volume, replica: last?.source ?? '', forGood: true, nowMs: test.nowMs });
    expect(test.shown().state.target?.state).toBe('Faulted');
    expect(test.shown().state.target?.rebuilds).toBe(0);
  });

  it('start over on a new target after a fail-over', () => {
    const test = new TestCluster(scenarioWith({}, { sizeBytes: '16MiB' }));
    test.setCount(3);
    test.pass(8_000);
    const before = test.shown().state.target;
    failOverVolume(test.cluster, { volume: test.volume().uuid, node: 'n2', nowMs: test.nowMs });
    const after = test.shown().state;
    expect(after.target?.uuid).not.toBe(before?.uuid);
    expect(after.target?.node).toBe('n2');
    const rebuilding = Object.values(after.replica_topology).filter((replica) => replica['rebuild-progress'] !== undefined);
    expect(rebuilding.map((replica) => replica['rebuild-progress'])).toEqual([0]);
    test.pass(16_000);
    expect(test.shown().state.status).toBe('Online');
  });

  it('give the same end whether time passes in one step or in many', () => {
    const one = new TestCluster();
    one.setCount(3);
    const many = new TestCluster();
    many.setCount(3);
    one.pass(30_000);
    for (let step = 0; step < 3_000; step += 1) {
      many.pass(10);
    }
    expect({ ...many.cluster, revision: 0 }).toEqual({ ...one.cluster, revision: 0 });
  });
});

describe('the cache of the control plane', () => {
  it('shows new replicas only after its next look, but the spec at once', () => {
    const test = new TestCluster(scenarioWith({ cacheLagMs: 3_000 }));
    test.pass(500);
    expect(Object.keys(test.setCount(3).body.state.replica_topology)).toHaveLength(3);
    test.pass(2_000);
    expect(test.shown().spec.num_replicas).toBe(3);
    expect(Object.keys(test.shown().state.replica_topology)).toHaveLength(2);
    expect(test.shown().state.status).toBe('Online');
    test.pass(500);
    expect(Object.keys(test.shown().state.replica_topology)).toHaveLength(3);
    expect(test.shown().state.status).toBe('Degraded');
  });
});

describe('a node that goes down', () => {
  it('takes the state of its pools with it and leaves its replicas Unknown', () => {
    const test = new TestCluster();
    setNodeOnline(test.cluster, { node: 'n2', online: false, nowMs: 0 });
    expect(test.call('GET', '/pools/hot-n2').body).not.toHaveProperty('state');
    expect(test.call('GET', '/nodes/n2').body).toMatchObject({ state: { status: 'Offline' } });
    const replica = test.shown().state.replica_topology[test.replicaOn('hot-n2').uuid];
    expect(replica).toMatchObject({ state: 'Unknown', 'child-status': 'Faulted', healthy: false });
    expect(test.shown().state.status).toBe('Degraded');
  });

  it('hands its targets to another node and is rebuilt when it comes back', () => {
    const test = new TestCluster();
    setNodeOnline(test.cluster, { node: 'n1', online: false, nowMs: 0 });
    expect(test.shown().state).toMatchObject({ status: 'Unknown' });
    expect(test.shown().state.target).toBeUndefined();
    test.pass(5_000);
    expect(test.shown().spec.target?.node).toBe('n2');
    expect(test.shown().state.status).toBe('Degraded');
    expect(test.cluster.underReplicatedMs).toBe(5_000);

    setNodeOnline(test.cluster, { node: 'n1', online: true, nowMs: 5_000 });
    test.pass(30_000);
    expect(test.shown().state.status).toBe('Online');
    expect(test.cluster.underReplicatedMs).toBe(5_000 + 5_000 + 8_000);
  });

  it('brings the last healthy replica back without a rebuild, since nothing could be written meanwhile', () => {
    const test = new TestCluster(scenarioWith({}, { replicas: 1, pools: ['hot-n2'], targetNode: 'n1' }));
    setNodeOnline(test.cluster, { node: 'n2', online: false, nowMs: 0 });
    expect(test.shown().state.status).toBe('Faulted');
    setNodeOnline(test.cluster, { node: 'n2', online: true, nowMs: 1_000 });
    expect(test.shown().state.status).toBe('Online');
    expect(copies(test.effects)).toEqual([]);
  });

  it('loses its replicas to other pools after the wait, by self-healing', () => {
    const test = new TestCluster(scenarioWith({ faultedChildWaitMs: 60_000 }));
    setNodeOnline(test.cluster, { node: 'n2', online: false, nowMs: 0 });
    test.pass(59_000);
    expect(test.pools()).toEqual(['hot-n1', 'hot-n2']);
    test.pass(30_000);
    expect(test.pools()).not.toContain('hot-n2');
    expect(test.pools()).toHaveLength(2);
    expect(test.shown().state.status).toBe('Online');
  });

  it('keeps what was removed meanwhile until it is back', () => {
    const test = new TestCluster();
    const gone = test.replicaOn('hot-n2').uuid;
    setNodeOnline(test.cluster, { node: 'n2', online: false, nowMs: 0 });
    test.setCount(1);
    expect(test.cluster.replicas[gone]).toMatchObject({ garbage: true });
    setNodeOnline(test.cluster, { node: 'n2', online: true, nowMs: 0 });
    test.pass(10_000);
    expect(test.cluster.replicas[gone]).toBeUndefined();
  });
});

describe('self-healing', () => {
  it('rebuilds a replica after an I/O error', () => {
    const test = new TestCluster();
    faultReplica(test.cluster, { volume: test.volume().uuid, replica: test.replicaOn('hot-n2').uuid, forGood: false, nowMs: 0 });
    expect(
      Object.values(test.shown().state.replica_topology)
        .map((replica) => replica['child-status'])
        .sort(),
    ).toEqual(['Faulted', 'Online']);
    test.pass(20_000);
    expect(test.shown().state.status).toBe('Online');
  });

  it('attaches a child again that somebody deleted from the nexus', () => {
    const test = new TestCluster();
    const { uuid, children } = test.shown().state.target ?? { uuid: '', children: [] };
    const uri = children.find((child) => child.uri.startsWith('nvmf:'))?.uri ?? '';
    expect(test.call('DELETE', `/nexuses/${uuid}/children/${encodeURIComponent(uri)}`).status).toBe(204);
    expect(test.shown().state.target?.children).toHaveLength(1);
    test.pass(20_000);
    expect(test.shown().state.target?.children).toHaveLength(2);
    expect(test.shown().state.status).toBe('Online');
  });

  it('brings an offline pool back', () => {
    const test = new TestCluster();
    setPoolOnline(test.cluster, { pool: 'hot-n2', online: false, nowMs: 0 });
    expect(test.call('GET', '/pools/hot-n2').body).toMatchObject({ state: { status: 'Faulted' } });
    setPoolOnline(test.cluster, { pool: 'hot-n2', online: true, nowMs: 0 });
    test.pass(20_000);
    expect(test.shown().state.status).toBe('Online');
  });
});

describe('a cluster', () => {
  it('goes on alike after it was cloned or stored', () => {
    const scenario = scenarioWith({ cacheLagMs: 700, operationMs: 300 });
    const original = new TestCluster(scenario, 5);
    original.setCount(3);
    original.pass(3_333);
    const stored = JSON.parse(JSON.stringify(original.cluster));
    const copies = [cloneCluster(original.cluster), stored].map((cluster) =>
      Object.assign(new TestCluster(scenario, 5), { cluster, nowMs: original.nowMs }),
    );
    const play = (test: TestCluster) => {
      test.setCount(2);
      test.pass(20_000);
      test.setCount(3);
      test.pass(20_000);
      return JSON.stringify(test.cluster);
    };
    const [first, second] = copies.map(play);
    expect(play(original)).toBe(first);
    expect(first).toBe(second);
  });

  it('counts as under-replicated only below the replicas that a volume began with', () => {
    const test = new TestCluster(scenarioWith({ rebuildBytesPerSecond: '64MiB' }));
    test.setCount(3);
    test.pass(1_000);
    test.setCount(2);
    test.pass(60_000);
    expect(test.cluster.underReplicatedMs).toBe(0);
    test.setCount(1);
    test.pass(7_000);
    expect(test.cluster.underReplicatedMs).toBe(7_000);
  });
});
