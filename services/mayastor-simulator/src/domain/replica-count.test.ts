import { describe, expect, it } from 'vitest';
import { scenarioWith, smallScenario, TestCluster } from './cluster.fixture.ts';
import { faultReplica, setNodeOnline } from './mishaps.ts';

interface Row {
  readonly when: string;
  readonly cluster: () => TestCluster;
  readonly count: number;
  readonly answer: { status: number; kind: string; details: string };
}

const rows: Row[] = [
  {
    when: 'the count is what it is already',
    cluster: () => new TestCluster(),
    count: 2,
    answer: { status: 412, kind: 'FailedPrecondition', details: "Replica count of Volume 'UUID' is already '2'" },
  },
  {
    when: 'the count is zero',
    cluster: () => new TestCluster(scenarioWith({}, { replicas: 1, pools: ['hot-n1'] })),
    count: 0,
    answer: { status: 412, kind: 'FailedPrecondition', details: "Cannot remove the last replica of volume 'UUID'" },
  },
  {
    when: 'the count changes by more than one',
    cluster: () => new TestCluster(),
    count: 4,
    answer: { status: 412, kind: 'FailedPrecondition', details: 'Replica count only allowed to change by a maximum of one at a time' },
  },
  {
    when: 'the volume grows while it is not Online',
    cluster: () => {
      const test = new TestCluster();
      faultReplica(test.cluster, { volume: test.volume().uuid, replica: test.replicaOn('hot-n2').uuid, forGood: false, nowMs: 0 });
      return test;
    },
    count: 3,
    answer: {
      status: 412,
      kind: 'FailedPrecondition',
      details: "Unable to increase replica count due to volume 'UUID' in state 'VolumeStatus :: Degraded'",
    },
  },
  {
    when: 'a volume of an affinity group shrinks below two',
    cluster: () => new TestCluster(scenarioWith({}, { affinityGroup: 'set' })),
    count: 1,
    answer: {
      status: 412,
      kind: 'FailedPrecondition',
      details: 'Cannot reduce the replica count of a volume of an affinity group below 2',
    },
  },
  {
    when: 'the node of the target is down',
    cluster: () => {
      const test = new TestCluster();
      setNodeOnline(test.cluster, { node: 'n1', online: false, nowMs: 0 });
      return test;
    },
    count: 3,
    answer: { status: 503, kind: 'Unavailable', details: "Node 'n1' is not online" },
  },
  {
    when: 'another operation is in flight',
    cluster: () => {
      const test = new TestCluster(scenarioWith({ operationMs: 1_000 }));
      test.setCount(3);
      return test;
    },
    count: 4,
    answer: { status: 409, kind: 'Conflict', details: "Volume 'UUID' has operation 'SetReplica' in progress" },
  },
  {
    when: 'the volume has snapshots and an engine is too old',
    cluster: () => {
      const nodes = smallScenario.nodes.map((node) => ({ ...node, rebuildsSnapshots: node.id !== 'n2' }));
      return new TestCluster(scenarioWith({ nodes }, { snapshots: 1 }));
    },
    count: 3,
    answer: { status: 412, kind: 'FailedPrecondition', details: "Node 'n2' needs to be upgraded to rebuild a volume with snapshots" },
  },
  {
    when: 'no pool is eligible',
    cluster: () => new TestCluster(scenarioWith({}, { topology: { inclusion: { tier: 'nowhere' } } })),
    count: 3,
    answer: { status: 507, kind: 'ResourceExhausted', details: 'Not enough suitable pools available, 0/1' },
  },
  {
    when: 'the limit of rebuilds is reached',
    cluster: () => new TestCluster(scenarioWith({ rebuildsMax: 0 })),
    count: 3,
    answer: { status: 507, kind: 'ResourceExhausted', details: 'Maximum number of rebuilds reached, 0 of the whole system' },
  },
  {
    when: 'only as many healthy replicas are online as are to be left, and none is unhealthy',
    cluster: () => {
      const test = new TestCluster(scenarioWith({}, { published: false }));
      setNodeOnline(test.cluster, { node: 'n2', online: false, nowMs: 0 });
      return test;
    },
    count: 1,
    answer: { status: 412, kind: 'FailedPrecondition', details: "No suitable replica removal candidates found for Volume 'UUID'" },
  },
];

describe('PUT replica_count', () => {
  it.each(rows)('refuses when $when', ({ cluster, count, answer }) => {
    const test = cluster();
    const { uuid } = test.volume();
    const before = JSON.stringify([test.volume(), Object.keys(test.cluster.replicas)]);

    const refused = test.refused('PUT', `/volumes/${uuid}/replica_count/${count}`);

    expect({ ...refused, details: refused.details.replace(uuid, 'UUID') }).toEqual(answer);
    expect(JSON.stringify([test.volume(), Object.keys(test.cluster.replicas)])).toBe(before);
  });

  it('takes the next call once the operation in flight has ended', () => {
    const test = new TestCluster(scenarioWith({ operationMs: 1_000, rebuildBytesPerSecond: '64MiB' }));
    expect(test.setCount(3).body.spec.operation).toBeUndefined();
    expect(test.shown().spec.operation).toEqual({ operation: 'SetReplica' });
    test.pass(1_000);
    expect(test.shown().spec.operation).toBeUndefined();
    expect(test.setCount(4).status).toBe(200);
  });

  it('answers a growth as soon as the replica is attached, with the volume Degraded until it has synced', () => {
    const test = new TestCluster();
    const answer = test.setCount(3);
    expect(answer.status).toBe(200);
    expect(answer.body.spec.num_replicas).toBe(3);
    expect(answer.body.state).toMatchObject({ status: 'Degraded', target: { state: 'Degraded', rebuilds: 1 } });

    test.pass(4_000);
    const added = Object.values(test.shown().state.replica_topology).find((replica) => replica.healthy === false);
    expect(added).toMatchObject({ state: 'Online', 'child-status': 'Degraded', 'rebuild-progress': 50 });
    expect(test.shown().state.target?.children.map((child) => child.rebuildProgress)).toEqual([undefined, undefined, 50]);

    test.pass(4_000);
    expect(test.shown().state).toMatchObject({ status: 'Online', target: { state: 'Online', rebuilds: 0 } });
    expect(
      Object.values(test.shown().state.replica_topology).every((replica) => replica.healthy === true && !('rebuild-progress' in replica)),
    ).toBe(true);
  });

  it('removes the new replica when it shrinks before the rebuild ends', () => {
    const test = new TestCluster();
    test.setCount(3);
    test.pass(7_999);
    expect(test.setCount(2).status).toBe(200);
    expect(test.pools()).toEqual(['hot-n1', 'hot-n2']);
    expect(test.shown().state.status).toBe('Online');
    expect(test.effects.at(-1)?.kind).toBe('replica-deleted');
  });

  it('never syncs what an unpublished volume grows, and removes that again', () => {
    const test = new TestCluster(scenarioWith({}, { published: false }));
    expect(test.setCount(3).status).toBe(200);
    test.pass(3_600_000);
    const healthy = Object.values(test.shown().state.replica_topology).map((replica) => replica.healthy);
    expect(healthy.filter((mark) => mark === false)).toHaveLength(1);
    expect(test.shown().state.status).toBe('Degraded');
    test.setCount(2);
    expect(test.pools()).toEqual(['hot-n1', 'hot-n2']);
  });
});
