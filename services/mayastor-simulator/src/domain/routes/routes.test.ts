import { describe, expect, it } from 'vitest';
import { scenarioWith, smallVolume, TestCluster } from '../cluster.fixture.ts';

const flags = { replicas: true, snapshots: false, restores: false, import: false };
const all = { replicas: true, snapshots: true, restores: true, import: true };

describe('pool cordons', () => {
  it('are set, added to, and removed flag by flag', () => {
    const test = new TestCluster();
    const cordoned = () =>
      (test.call('GET', '/pools/hot-n3').body as { spec: { cordonDrain?: { cordoned: unknown } } }).spec.cordonDrain?.cordoned;
    expect(cordoned()).toBeUndefined();
    expect(test.call('PUT', '/pools/hot-n3/cordon', flags).status).toBe(200);
    expect(test.refused('PUT', '/pools/hot-n3/cordon', flags)).toMatchObject({ status: 422, kind: 'AlreadyExists' });
    expect(test.call('PUT', '/pools/hot-n3/cordon', all).status).toBe(200);
    expect(test.call('DELETE', '/pools/hot-n3/cordon', flags).status).toBe(200);
    expect(cordoned()).toEqual({ ...all, replicas: false });
    expect(test.refused('DELETE', '/pools/hot-n3/cordon', flags)).toMatchObject({ status: 412 });
    expect(test.call('DELETE', '/pools/hot-n3/cordon', all).status).toBe(200);
    expect(cordoned()).toBeUndefined();
  });

  it('are not known in 2.9, in whatever state the pool is', () => {
    const test = new TestCluster(scenarioWith({ mayastorVersion: '2.9' }));
    expect(test.call('PUT', '/pools/hot-n3/cordon', flags)).toEqual({ status: 404, body: undefined });
    expect(new TestCluster().refused('PUT', '/pools/no-such-pool/cordon', flags)).toMatchObject({ status: 404, kind: 'NotFound' });
  });

  it('need all four flags', () => {
    expect(new TestCluster().refused('PUT', '/pools/hot-n3/cordon', { replicas: true })).toMatchObject({
      status: 400,
      kind: 'Deserialize',
    });
  });
});

describe('pool labels', () => {
  const rows = [
    ['a new label', 'PUT', 'new=1', 200],
    ['the same value again', 'PUT', 'tier=hot', 422],
    ['the same value again with overwrite', 'PUT', 'tier=hot?overwrite=true', 200],
    ['another value', 'PUT', 'tier=cold', 412],
    ['another value with overwrite', 'PUT', 'tier=cold?overwrite=true', 200],
    ['no key and value', 'PUT', 'tier', 400],
    ['the removal of a label', 'DELETE', 'tier', 200],
    ['the removal of a missing label', 'DELETE', 'nothing', 412],
    ['the removal of the reserved label', 'DELETE', 'openebs.io%2Fcreated-by', 400],
  ] as const;

  it.each(rows)('answer %s: %s %s -> %i', (_what, method, tail, status) => {
    expect(new TestCluster().call(method, `/pools/hot-n3/label/${tail}`).status).toBe(status);
  });

  it('answer 404 for an unknown pool', () => {
    expect(new TestCluster().refused('PUT', '/pools/nowhere/label/a=b')).toMatchObject({ status: 404, kind: 'NotFound' });
  });
});

describe('nodes', () => {
  it('are cordoned once per label, and free when the last label is gone', () => {
    const test = new TestCluster();
    const cordon = () => (test.call('GET', '/nodes/n3').body as { spec: { cordondrainstate?: unknown } }).spec.cordondrainstate;
    expect(test.call('PUT', '/nodes/n3/cordon/ours').status).toBe(200);
    expect(test.refused('PUT', '/nodes/n3/cordon/ours')).toMatchObject({ status: 422, kind: 'AlreadyExists' });
    test.call('PUT', '/nodes/n3/cordon/theirs');
    test.call('DELETE', '/nodes/n3/cordon/ours');
    expect(cordon()).toEqual({ cordonedstate: { cordonlabels: ['theirs'] } });
    test.call('DELETE', '/nodes/n3/cordon/theirs');
    expect(cordon()).toBeUndefined();
    expect(test.refused('DELETE', '/nodes/n3/cordon/theirs')).toMatchObject({ status: 412 });
  });

  it('are drained of their targets, not of their replicas', () => {
    const test = new TestCluster();
    test.call('PUT', '/nodes/n1/drain/away');
    expect(test.shown().spec.target?.node).toBe('n2');
    expect(test.pools()).toEqual(['hot-n1', 'hot-n2']);
  });

  it('take labels', () => {
    const test = new TestCluster();
    expect(test.call('PUT', '/nodes/n1/label/zone=a').body).toMatchObject({ spec: { labels: { zone: 'a' } } });
    expect(test.call('PUT', '/nodes/n1/label/zone=b').status).toBe(412);
    expect(test.call('DELETE', '/nodes/n1/label/zone').status).toBe(200);
  });
});

describe('pools', () => {
  it('are pinned by replicas, and by snapshots after the replica has gone', () => {
    const test = new TestCluster(scenarioWith({ rebuildBytesPerSecond: '64MiB' }, { snapshots: 1 }));
    expect(test.refused('DELETE', '/pools/hot-n2')).toMatchObject({ status: 409, kind: 'InUse' });
    test.call('DELETE', '/pools/hot-n1/label/couchestor');
    test.setCount(3);
    test.pass(1_000);
    test.setCount(2);
    expect(test.pools()).not.toContain('hot-n1');
    expect(test.refused('DELETE', '/pools/hot-n1')).toMatchObject({ status: 409, kind: 'InUse' });
    for (const snapshot of Object.keys(test.cluster.snapshots)) {
      expect(test.call('DELETE', `/volumes/snapshots/${snapshot}`).status).toBe(204);
    }
    expect(test.call('DELETE', '/pools/hot-n1').status).toBe(204);
    expect(test.refused('GET', '/pools/hot-n1')).toMatchObject({ status: 404 });
  });

  it('are listed by node and by volume', () => {
    const test = new TestCluster();
    const ids = (path: string) => test.call<{ id: string }[]>('GET', path).body.map((pool) => pool.id);
    expect(ids('/nodes/n3/pools')).toEqual(['hot-n3', 'cold-n3']);
    expect(ids(`/pools?volume_id=${test.volume().uuid}`)).toEqual(['hot-n1', 'hot-n2']);
  });

  it('are made empty on a node', () => {
    const test = new TestCluster();
    expect(test.call('PUT', '/nodes/n1/pools/extra', { disks: ['/dev/sdz'], labels: { tier: 'hot' } }).status).toBe(200);
    expect(test.call('GET', '/pools/extra').body).toMatchObject({
      spec: { labels: { tier: 'hot', 'openebs.io/created-by': 'operator-diskpool' } },
      state: { used: 0 },
    });
    expect(test.refused('PUT', '/nodes/n1/pools/extra', { disks: ['/dev/sdz'] })).toMatchObject({ status: 422 });
  });
});

describe('volumes', () => {
  const uuid = '11111111-1111-4111-8111-111111111111';
  const body = { policy: { self_heal: true }, replicas: 2, size: 8 * 1024 * 1024, thin: true };

  it('are made, published, resized, unpublished and deleted', () => {
    const test = new TestCluster();
    expect(test.call('PUT', `/volumes/${uuid}`, body).status).toBe(200);
    expect(test.refused('PUT', `/volumes/${uuid}`, body)).toMatchObject({ status: 422 });
    expect(test.refused('DELETE', `/volumes/${uuid}/target`)).toMatchObject({ status: 412, kind: 'NotPublished' });
    expect(test.call('PUT', `/volumes/${uuid}/target`, { protocol: 'nvmf', publish_context: {}, node: 'n4' }).body).toMatchObject({
      spec: { target: { node: 'n4' } },
    });
    expect(test.refused('PUT', `/volumes/${uuid}/target`, { protocol: 'nvmf' })).toMatchObject({ status: 412, kind: 'AlreadyPublished' });
    expect(test.call('PUT', `/volumes/${uuid}/size`, { size: 16 * 1024 * 1024 }).body).toMatchObject({ spec: { size: 16 * 1024 * 1024 } });
    expect(test.refused('PUT', `/volumes/${uuid}/size`, { size: 1 })).toMatchObject({ status: 400, kind: 'InvalidArgument' });
    expect(test.call('PUT', `/volumes/${uuid}/property`, { max_snapshots: 3 }).status).toBe(200);
    expect(test.refused('PUT', `/volumes/${uuid}/property`, { num_replicas: 3 })).toMatchObject({ status: 400, kind: 'Deserialize' });
    expect(test.call('DELETE', `/volumes/${uuid}/target`).status).toBe(200);
    expect(test.call('DELETE', `/volumes/${uuid}`).status).toBe(204);
    expect(test.refused('GET', `/volumes/${uuid}`)).toMatchObject({ status: 404, kind: 'NotFound' });
    expect(Object.values(test.cluster.replicas)).toHaveLength(2);
  });

  it('leave nothing behind where the pools do not suffice', () => {
    const test = new TestCluster();
    const before = JSON.stringify(test.cluster.replicas);
    expect(test.refused('PUT', `/volumes/${uuid}`, { ...body, replicas: 5 })).toEqual({
      status: 507,
      kind: 'ResourceExhausted',
      details: 'Not enough suitable pools available, 4/5',
    });
    expect(JSON.stringify(test.cluster.replicas)).toBe(before);
    expect(test.effects.filter((effect) => effect.kind === 'replica-created')).toHaveLength(2);
  });

  it('are listed in pages, and only with max_entries', () => {
    const volumes = ['a', 'b', 'c'].map((name) => ({ ...smallVolume, name }));
    const test = new TestCluster(scenarioWith({ volumes }));
    const list = (query: string) => test.call<{ entries: unknown[]; next_token?: number }>('GET', `/volumes?${query}`).body;
    expect(test.refused('GET', '/volumes')).toEqual({
      status: 400,
      kind: 'Deserialize',
      details: 'Query deserialize error: missing field `max_entries`',
    });
    expect(test.refused('GET', '/volumes?max_entries=x')).toMatchObject({ status: 400, kind: 'Deserialize' });
    expect(list('max_entries=0')).toMatchObject({ entries: [{}, {}, {}] });
    expect(list('max_entries=0')).not.toHaveProperty('next_token');
    expect(list('max_entries=2')).toMatchObject({ next_token: 2 });
    expect(list('max_entries=2&starting_token=2').entries).toHaveLength(1);
    expect(list('max_entries=2&starting_token=2')).not.toHaveProperty('next_token');
  });

  it('tell the history of their rebuilds while they have a target', () => {
    const test = new TestCluster();
    test.setCount(3);
    test.pass(8_000);
    const path = `/volumes/${test.volume().uuid}/rebuild-history`;
    expect(test.call('GET', path).body).toMatchObject({
      records: [{ rebuildJobState: 'Completed', blocksRemaining: 0, isPartial: false }],
    });
    test.call('DELETE', `/volumes/${test.volume().uuid}/target`);
    expect(test.refused('GET', path)).toMatchObject({ status: 412, kind: 'NotPublished' });
  });
});

describe('snapshots', () => {
  it('are taken, listed, counted and deleted', () => {
    const test = new TestCluster();
    const volume = test.volume().uuid;
    const snapshot = '22222222-2222-4222-8222-222222222222';
    expect(test.call('PUT', `/volumes/${volume}/snapshots/${snapshot}`).body).toMatchObject({
      definition: { spec: { uuid: snapshot, source_volume: volume } },
    });
    expect(test.refused('GET', '/volumes/snapshots')).toMatchObject({ status: 400 });
    expect(test.call('GET', `/volumes/${volume}/snapshots?max_entries=0`).body).toMatchObject({ entries: [{ state: { uuid: snapshot } }] });
    expect(test.shown().spec).toMatchObject({ num_snapshots: 1 });
    expect(test.call('DELETE', `/volumes/${volume}/snapshots/${snapshot}`).status).toBe(204);
    expect(test.refused('GET', `/volumes/snapshots/${snapshot}`)).toMatchObject({ status: 404 });
  });
});

describe('replicas and nexuses', () => {
  it('name their children by local and remote uris', () => {
    const test = new TestCluster();
    const [local, remote] = [test.replicaOn('hot-n1').uuid, test.replicaOn('hot-n2').uuid];
    expect(test.shown().state.target?.children.map((child) => child.uri)).toEqual([
      `bdev:///${local}?uuid=${local}`,
      `nvmf://10.1.0.2:8420/nqn.2019-05.io.openebs:${remote}?uuid=${remote}`,
    ]);
    expect(test.call<unknown[]>('GET', '/nexuses').body).toHaveLength(1);
    expect(test.call<unknown[]>('GET', '/nodes/n1/replicas').body).toMatchObject([{ uuid: local, pool: 'hot-n1', kind: 'Regular' }]);
    expect(test.call('GET', '/specs').body).toMatchObject({ replicas: [{ managed: true, owners: { volume: test.volume().uuid } }, {}] });
  });

  it('cannot be deleted while a volume owns them, and belong to none when made by hand', () => {
    const test = new TestCluster();
    const byHand = '33333333-3333-4333-8333-333333333333';
    expect(test.refused('DELETE', `/pools/hot-n1/replicas/${test.replicaOn('hot-n1').uuid}`)).toMatchObject({ status: 409, kind: 'InUse' });
    expect(test.call('PUT', `/pools/hot-n3/replicas/${byHand}`, { size: 4096, thin: true }).status).toBe(200);
    expect(test.shown().state.replica_topology).not.toHaveProperty(byHand);
    expect(test.call('DELETE', `/pools/hot-n3/replicas/${byHand}`).status).toBe(204);
  });

  it('keep the last healthy child of a nexus', () => {
    const test = new TestCluster(scenarioWith({}, { replicas: 1, pools: ['hot-n1'] }));
    const { uuid, children } = test.shown().state.target ?? { uuid: '', children: [] };
    expect(test.refused('DELETE', `/nexuses/${uuid}/children/${encodeURIComponent(children[0]?.uri ?? '')}`)).toMatchObject({
      status: 412,
    });
  });
});

describe('what is no route', () => {
  it.each([
    ['GET', '/nothing'],
    ['POST', '/volumes'],
    ['PUT', '/pools/hot-n1/label/a/b=c'],
  ] as const)('%s %s is answered with an empty 404', (method, path) => {
    expect(new TestCluster().call(method, path)).toEqual({ status: 404, body: undefined });
  });

  it('a volume id that is no uuid does not parse', () => {
    expect(new TestCluster().refused('GET', '/volumes/data')).toMatchObject({ status: 400, kind: 'Deserialize' });
  });
});
