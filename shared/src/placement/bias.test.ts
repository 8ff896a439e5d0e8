import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aNode, aWorld, type ReplicaInput, type VolumeInput } from '../testing/mayastor-objects.ts';
import { biasHolds, biasPlaced, certainVictim, chooseBias, withBias } from './bias.ts';
import type { World } from './world.ts';

const gate = { gate: 'yes' };

/** Replicas r1 on pool a, r2 on pool b, and so on; all pools carry the gate label where the volume asks for it. */
function worldOf(
  o: {
    replicas?: readonly ReplicaInput[];
    volume?: Partial<VolumeInput>;
    nodes?: ReturnType<typeof aNode>[];
    cordoned?: readonly string[];
    ungated?: readonly string[];
  } = {},
): World {
  const replicas = o.replicas ?? [
    { uuid: 'r1', pool: 'a' },
    { uuid: 'r2', pool: 'b' },
  ];
  return aWorld({
    volume: { replicas, ...o.volume },
    pools: replicas.map(({ pool = '' }) => ({
      id: pool,
      labels: o.ungated?.includes(pool) ? {} : gate,
      cordoned: o.cordoned?.includes(pool) ?? false,
    })),
    ...(o.nodes === undefined ? {} : { nodes: o.nodes }),
  });
}
const gated = { poolInclusion: { gate: '' } } as const;

describe('the bias of a removal', () => {
  it('takes the gate label off the pool of the victim, and keeps its value', () => {
    expect(chooseBias(worldOf({ volume: gated }), 'r2')).toEqual({ kind: 'pool-label', pool: 'b', key: 'gate', value: 'yes' });
  });

  it('cordons the node of the victim where the volume has no gate key', () => {
    expect(chooseBias(worldOf(), 'r2')).toEqual({ kind: 'node-cordon', node: 'node-b' });
  });

  it('cordons the node where the key asks for a value: without it the pool could not be told from a foreign one', () => {
    expect(chooseBias(worldOf({ volume: { poolInclusion: { gate: 'yes' } } }), 'r2')?.kind).toBe('node-cordon');
  });

  it('never takes off the label that Mayastor reserves, nor one whose key has a slash', () => {
    const world = worldOf({ volume: { poolInclusion: { 'openebs.io/created-by': '', 'example.io/gate': '' } } });
    const labelled = {
      ...world,
      pools: world.pools.map((pool) => ({
        ...pool,
        ...(pool.spec ? { spec: { ...pool.spec, labels: { ...pool.spec.labels, 'example.io/gate': '' } } } : {}),
      })),
    };
    expect(chooseBias(labelled, 'r1')).toEqual({ kind: 'node-cordon', node: 'node-a' });
  });

  it('is the label alone where replicas are spread by node labels', () => {
    expect(chooseBias(worldOf({ volume: { spreadKeys: ['zone'] } }), 'r1')).toBeUndefined();
    expect(chooseBias(worldOf({ volume: { ...gated, spreadKeys: ['zone'] } }), 'r1')?.kind).toBe('pool-label');
  });

  it('does not exist where an administrator has cordoned the node of another replica', () => {
    const nodes = [aNode('node-a', { cordons: ['maintenance'] })];
    expect(chooseBias(worldOf({ volume: gated, nodes }), 'r2')).toBeUndefined();
    expect(chooseBias(worldOf({ nodes }), 'r2')).toBeUndefined();
  });

  it('does not exist where an administrator has cordoned the pool of another replica, which may or may not count', () => {
    expect(chooseBias(worldOf({ volume: gated, cordoned: ['a'] }), 'r2')).toBeUndefined();
    expect(chooseBias(worldOf({ cordoned: ['a'] }), 'r2')).toBeUndefined();
  });

  it('exists where the cordoned one is the victim itself', () => {
    const world = worldOf({ volume: gated, nodes: [aNode('node-b', { cordons: ['maintenance'] })], cordoned: ['b'] });
    expect(chooseBias(world, 'r2')?.kind).toBe('pool-label');
  });

  it('does not exist where another pool has lost its gate label', () => {
    expect(chooseBias(worldOf({ volume: gated, ungated: ['a'] }), 'r2')).toBeUndefined();
  });

  it('does not exist where another replica is not as healthy, for that one would go first', () => {
    for (const ailing of [
      { healthy: false },
      { childStatus: 'Faulted' },
      { childStatus: undefined },
      { childStatus: 'Degraded', rebuildProgress: 40 },
    ]) {
      const world = worldOf({
        replicas: [
          { uuid: 'r1', pool: 'a', ...ailing },
          { uuid: 'r2', pool: 'b' },
        ],
        volume: gated,
      });
      expect(chooseBias(world, 'r2')).toBeUndefined();
      expect(chooseBias(world, 'r1')?.kind).toBe('pool-label');
    }
  });

  it('does not exist for a replica whose place nobody knows', () => {
    expect(chooseBias(worldOf({ replicas: [{ uuid: 'r1' }, { uuid: 'r2', pool: 'b' }] }), 'r1')).toBeUndefined();
    expect(chooseBias(worldOf(), 'no such replica')).toBeUndefined();
  });
});

describe('a bias against a replica that is being rebuilt', () => {
  const replicas = [
    { uuid: 'r1', pool: 'a' },
    { uuid: 'r2', pool: 'b', childStatus: 'Degraded', rebuildProgress: 99, healthy: false },
  ];

  it('must hold if the rebuild ends before the call comes', () => {
    expect(chooseBias(worldOf({ replicas, volume: gated }), 'r2')?.kind).toBe('pool-label');
    // By its health r2 would go now. A moment later the cordon of the other one's node would make it a matter of locality.
    expect(chooseBias(worldOf({ replicas, volume: gated, nodes: [aNode('node-a', { cordons: ['maintenance'] })] }), 'r2')).toBeUndefined();
  });

  it('holds only at its own pool or node', () => {
    const world = worldOf({ replicas, volume: gated });
    const at = (pool: string) => ({ kind: 'pool-label', pool, key: 'gate', value: 'yes' }) as const;
    for (const pool of ['a', 'b']) {
      expect(biasHolds(withBias(world, at(pool)), { bias: at(pool), victim: 'r2', cordonLabel: 'x' })).toBe(pool === 'b');
    }
    expect(biasHolds(world, { bias: at('b'), victim: 'r2', cordonLabel: 'x' })).toBe(false);
  });
});

describe('the replica that surely goes', () => {
  it('is none without a bias: locality must never decide', () => {
    expect(certainVictim(worldOf({ volume: gated }))).toBeUndefined();
  });

  it('is none where two are equally biased', () => {
    const both = worldOf({ nodes: [aNode('node-a', { cordons: ['x'] }), aNode('node-b', { cordons: ['x'] })] });
    expect(certainVictim(both)).toBeUndefined();
  });

  it('is the one that is still being rebuilt, bias or not', () => {
    const replicas = [
      { uuid: 'r1', pool: 'a' },
      { uuid: 'r2', pool: 'b', childStatus: 'Degraded', rebuildProgress: 99, healthy: false },
    ];
    expect(certainVictim(worldOf({ replicas, ungated: ['a'], volume: gated }))).toBe('r2');
  });

  it('is none where only the cordon of its pool speaks against it, for that may not count', () => {
    expect(certainVictim(worldOf({ cordoned: ['a'] }))).toBeUndefined();
    const bothNodes = [aNode('node-a', { cordons: ['x'] }), aNode('node-b', { cordons: ['x'] })];
    expect(certainVictim(worldOf({ cordoned: ['a'], nodes: bothNodes }))).toBeUndefined();
  });

  it('of two that are being rebuilt is the one that has come less far', () => {
    const replicas = [10, 20].map((rebuildProgress, index) => ({
      uuid: `r${index}`,
      pool: 'ab'.charAt(index),
      childStatus: 'Degraded',
      rebuildProgress,
      healthy: false,
    }));
    expect(certainVictim(worldOf({ replicas }))).toBe('r0');
  });
});

describe('a bias once it is placed', () => {
  it('is seen in the labels of its pool or the cordons of its node', () => {
    const label = { kind: 'pool-label', pool: 'a', key: 'gate', value: 'yes' } as const;
    const world = worldOf({ volume: gated });
    expect(biasPlaced(world, label, 'couchestor-x')).toBe(false);
    expect(biasPlaced(withBias(world, label), label, 'couchestor-x')).toBe(true);
    expect(biasPlaced({ ...world, pools: [] }, label, 'couchestor-x')).toBe(false);

    const cordon = { kind: 'node-cordon', node: 'node-a' } as const;
    const cordoned = worldOf({ nodes: [aNode('node-a', { cordons: ['couchestor-x'] })] });
    expect(biasPlaced(cordoned, cordon, 'couchestor-x')).toBe(true);
    expect(biasPlaced(cordoned, cordon, 'couchestor-y')).toBe(false);
    expect(biasPlaced({ ...world, nodes: [] }, cordon, 'couchestor-x')).toBe(false);
  });

  it('makes its victim go whatever the unproven order of the keys, and however locality is', () => {
    const replica = fc.record({
      healthy: fc.constantFrom(true, true, true, false),
      childStatus: fc.constantFrom('Online', 'Online', 'Online', 'Degraded', 'Faulted'),
      nodeCordoned: fc.constantFrom(false, false, true),
      poolCordoned: fc.constantFrom(false, false, true),
      labelled: fc.constantFrom(true, true, false),
      fitsNode: fc.constantFrom(true, true, false),
    });
    fc.assert(
      fc.property(fc.array(replica, { minLength: 1, maxLength: 4 }), fc.nat(3), fc.boolean(), (replicas, index, hasGateKey) => {
        const world = aWorld({
          volume: {
            replicas: replicas.map(({ healthy, childStatus }, at) => ({ uuid: `r${at}`, pool: `p${at}`, healthy, childStatus })),
            ...(hasGateKey ? gated : {}),
            nodeInclusion: { ok: '' },
          },
          pools: replicas.map(({ labelled, poolCordoned }, at) => ({ id: `p${at}`, labels: labelled ? gate : {}, cordoned: poolCordoned })),
          nodes: replicas.map(({ nodeCordoned, fitsNode }, at) =>
            aNode(`node-p${at}`, { cordons: nodeCordoned ? ['admin'] : [], labels: fitsNode ? { ok: '' } : {} }),
          ),
        });
        const victim = `r${index % replicas.length}`;
        const bias = chooseBias(world, victim);
        if (bias === undefined) {
          return;
        }
        const biased = withBias(world, bias);
        for (const order of orders) {
          expect(removedBy(biased, order)).toEqual([victim]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Mayastor's removal as the facts have it: health first, then these keys in some order. All that are left tied: locality would decide. */
type PlaceKey = 'node topology' | 'pool topology' | 'cordoned node' | 'cordoned pool';
const keys: readonly PlaceKey[] = ['node topology', 'pool topology', 'cordoned node', 'cordoned pool'];
const orders: readonly (readonly PlaceKey[])[] = permutations(keys).flatMap((order) => [
  order,
  order.filter((key) => key !== 'cordoned pool'),
]);

function removedBy(world: World, order: readonly PlaceKey[]): string[] {
  const { topology } = world.volume.spec;
  const children = { Faulted: 0, Degraded: 1, Online: 2 };
  const ranked = Object.entries(world.volume.state.replica_topology).map(([uuid, replica]) => {
    const pool = world.pools.find(({ id }) => id === replica.pool);
    const node = world.nodes.find(({ id }) => id === replica.node);
    const fits = (
      labels: Readonly<Record<string, string>> | null | undefined,
      wanted: Readonly<Record<string, string>> | null | undefined,
    ) => Object.keys(wanted ?? {}).every((key) => labels?.[key] !== undefined);
    const place: Record<PlaceKey, boolean> = {
      'node topology': fits(node?.spec?.labels, topology?.node_topology?.labelled?.inclusion),
      'pool topology': fits(pool?.spec?.labels, topology?.pool_topology?.labelled?.inclusion),
      'cordoned node': (node?.spec?.cordondrainstate?.cordonedstate?.cordonlabels ?? []).length === 0,
      'cordoned pool': pool?.spec?.cordonDrain?.cordoned?.replicas !== true,
    };
    return {
      uuid,
      keys: [
        replica.healthy ? 1 : 0,
        children[replica['child-status'] as keyof typeof children],
        ...order.map((key) => (place[key] ? 1 : 0)),
      ],
    };
  });
  const least = ranked.map((one) => one.keys.join()).sort()[0];
  return ranked.filter((one) => one.keys.join() === least).map(({ uuid }) => uuid);
}

function permutations<T>(items: readonly T[]): T[][] {
  return items.length === 0
    ? [[]]
    : items.flatMap((item, index) => permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]));
}
