import { describe, expect, it } from 'vitest';
import {
  isNodeOnline,
  isPoolOnline,
  isPublished,
  isSynced,
  nodeCordonLabels,
  poolCordonedForReplicas,
  poolLabels,
  pvName,
  volumeIdOfPvName,
  volumeReplicas,
} from './read.ts';
import { type Node, nodeSchema, type Pool, poolSchema, type Volume, volumeSchema } from './schema.ts';

const newReplica = 'r2';

/** A volume with two synced replicas, given as Mayastor gives it. */
function synced() {
  return {
    spec: { uuid: 'v', size: 1, num_replicas: 2, status: 'Created', thin: false, target: { node: 'n1' } as { node: string } | null },
    state: {
      uuid: 'v',
      size: 1,
      status: 'Online',
      target: {
        uuid: 'x',
        node: 'n1',
        size: 1,
        state: 'Online',
        protocol: 'nvmf',
        deviceUri: '',
        rebuilds: 0,
        children: [
          { uri: 'a', state: 'Online' },
          { uri: 'b', state: 'Online' },
        ],
      } as Record<string, unknown> | null,
      replica_topology: {
        r2: {
          state: 'Online',
          node: 'n2',
          pool: 'p2',
          'child-status': 'Online',
          healthy: true as boolean | undefined,
          'rebuild-progress': undefined as unknown,
        },
        r1: { state: 'Online', node: 'n1', pool: 'p1', 'child-status': 'Online', healthy: true },
      },
    },
  };
}

function volume(change: (v: ReturnType<typeof synced>) => void = () => {}): Volume {
  const json = synced();
  change(json);
  return volumeSchema.parse(json);
}

function pool(parts: object): Pool {
  return poolSchema.parse({ id: 'p', ...parts });
}

function node(parts: object): Node {
  return nodeSchema.parse({ id: 'n', ...parts });
}

describe('isSynced', () => {
  it('holds where every part of the predicate holds', () => {
    expect(isSynced(volume(), newReplica)).toBe(true);
  });

  it('holds before 2.9, where `healthy` is not told, and with a null progress', () => {
    expect(
      isSynced(
        volume((v) => {
          v.state.replica_topology.r2.healthy = undefined;
          v.state.replica_topology.r2['rebuild-progress'] = null;
        }),
        newReplica,
      ),
    ).toBe(true);
  });

  it.each<[string, (v: ReturnType<typeof synced>) => void]>([
    ['the replica is Degraded', (v) => (v.state.replica_topology.r2.state = 'Degraded')],
    ['the replica is in a state that we do not know', (v) => (v.state.replica_topology.r2.state = 'Fine')],
    ['its child is Degraded', (v) => (v.state.replica_topology.r2['child-status'] = 'Degraded')],
    ['it is rebuilding at 0 %', (v) => (v.state.replica_topology.r2['rebuild-progress'] = 0)],
    ['it is rebuilding at 100 %', (v) => (v.state.replica_topology.r2['rebuild-progress'] = 100)],
    ['it is not healthy', (v) => (v.state.replica_topology.r2.healthy = false)],
    ['the volume is Degraded', (v) => (v.state.status = 'Degraded')],
    ['the volume is unpublished', (v) => (v.state.target = null)],
    ['the target is Degraded', (v) => (v.state.target = { ...v.state.target, state: 'Degraded' })],
    ['the target counts a rebuild', (v) => (v.state.target = { ...v.state.target, rebuilds: 1 })],
    ['the target lacks a child', (v) => (v.state.target = { ...v.state.target, children: [{ uri: 'a', state: 'Online' }] })],
    ['the volume should have another number of replicas', (v) => (v.spec.num_replicas = 3)],
  ])('does not hold where %s', (_name, change) => {
    expect(isSynced(volume(change), newReplica)).toBe(false);
  });

  it('does not hold for a replica that is not there', () => {
    expect(isSynced(volume(), 'r9')).toBe(false);
  });
});

describe('volumes', () => {
  it('lists replicas by uuid with what is known of each', () => {
    const replicas = volumeReplicas(volume((v) => (v.state.replica_topology.r2['rebuild-progress'] = 40)));
    expect(replicas.map(({ uuid, pool: on, rebuildProgress }) => [uuid, on, rebuildProgress])).toEqual([
      ['r1', 'p1', undefined],
      ['r2', 'p2', 40],
    ]);
  });

  it('calls a volume unpublished only where neither spec nor state has a target', () => {
    expect(isPublished(volume())).toBe(true);
    expect(isPublished(volume((v) => (v.state.target = null)))).toBe(true);
    expect(isPublished(volume((v) => (v.spec.target = null)))).toBe(true);
    expect(
      isPublished(
        volume((v) => {
          v.state.target = null;
          v.spec.target = null;
        }),
      ),
    ).toBe(false);
  });

  it('turns ids into pv names and back', () => {
    expect(volumeIdOfPvName(pvName('abc'))).toBe('abc');
    expect(volumeIdOfPvName('abc')).toBeUndefined();
    expect(volumeIdOfPvName('pvc-')).toBeUndefined();
  });
});

describe('pools and nodes', () => {
  const spec = { id: 'p', node: 'n', status: 'Created' };
  const state = { id: 'p', node: 'n', status: 'Online', capacity: 10, used: 1 };

  it('reads labels, and none from a foreign pool', () => {
    expect(poolLabels(pool({ spec: { ...spec, labels: { 'storage-tier': 'hot' } } }))).toEqual({ 'storage-tier': 'hot' });
    expect(poolLabels(pool({ state }))).toEqual({});
  });

  it('calls a pool online only by its own word', () => {
    expect(isPoolOnline(pool({ spec, state }))).toBe(true);
    expect(isPoolOnline(pool({ spec, state: { ...state, status: 'Suspected' } }))).toBe(false);
    expect(isPoolOnline(pool({ spec }))).toBe(false);
  });

  it('sees a cordon for replicas among the flags', () => {
    expect(poolCordonedForReplicas(pool({ spec: { ...spec, cordonDrain: { cordoned: { replicas: true } } } }))).toBe(true);
    expect(poolCordonedForReplicas(pool({ spec: { ...spec, cordonDrain: { cordoned: { snapshots: true, replicas: false } } } }))).toBe(
      false,
    );
    expect(poolCordonedForReplicas(pool({ spec: { ...spec, cordonDrain: null } }))).toBe(false);
  });

  it('counts drains among the cordons of a node, each label once', () => {
    expect(nodeCordonLabels(node({ spec: { id: 'n', cordondrainstate: { cordonedstate: { cordonlabels: ['a', 'b'] } } } }))).toEqual([
      'a',
      'b',
    ]);
    expect(
      nodeCordonLabels(node({ spec: { id: 'n', cordondrainstate: { drainingstate: { cordonlabels: ['a'], drainlabels: ['d', 'a'] } } } })),
    ).toEqual(['a', 'd']);
    expect(nodeCordonLabels(node({}))).toEqual([]);
  });

  it('calls a node online only by its own word', () => {
    expect(isNodeOnline(node({ state: { id: 'n', status: 'Online' } }))).toBe(true);
    expect(isNodeOnline(node({ state: { id: 'n', status: 'Unknown' } }))).toBe(false);
    expect(isNodeOnline(node({}))).toBe(false);
  });
});
