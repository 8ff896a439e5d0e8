import { describe, expect, it } from 'vitest';
import { aNode, aWorld, type PoolInput, type VolumeInput } from '../testing/mayastor-objects.ts';
import { canReceive, mayReceive, type Obstacle } from './eligibility.ts';
import { poolById, type World } from './world.ts';

const gibibyte = 1024 ** 3;
const demand = { bytes: gibibyte, capacityWatermarkPercent: 85 };

function judge(world: World, pool = 'b'): { can: Obstacle | undefined; may: boolean } {
  const found = poolById(world, pool);
  if (found === undefined) {
    throw new Error(`no pool ${pool}`);
  }
  return { can: canReceive(world, found, demand), may: mayReceive(world, found) };
}

/** One replica on pool a; pool b, on another node, is judged. */
function worldOf(b: Partial<PoolInput>, volume: Partial<VolumeInput> = {}, nodes = [aNode('node-a')]): World {
  return aWorld({ volume: { replicas: [{ uuid: 'r1', pool: 'a' }], ...volume }, pools: [{ id: 'a' }, { id: 'b', ...b }], nodes });
}

describe('a pool that passes every filter', () => {
  it('is a destination, and must be closed while another one is wanted', () => {
    expect(judge(worldOf({}))).toEqual({ can: undefined, may: true });
  });
});

/** Excluded beyond doubt: Mayastor cannot choose such a pool, so it needs no cordon. */
describe('a pool that Mayastor surely leaves out', () => {
  const cases: Record<string, { world: World; obstacle: Obstacle }> = {
    'on a node that holds a replica': { world: worldOf({ node: 'node-a' }), obstacle: 'holds-replica' },
    'that lacks a key of the topology': { world: worldOf({}, { poolInclusion: { gate: '' } }), obstacle: 'pinned' },
    'that has another value of a topology key': {
      world: worldOf({ labels: { tier: 'cold' } }, { poolInclusion: { tier: 'hot' } }),
      obstacle: 'pinned',
    },
    'whose node is not among the allowed ones': { world: worldOf({}, { allowedNodes: ['node-a'] }), obstacle: 'node-excluded' },
    'whose node lacks a label of the topology': {
      world: worldOf({}, { nodeInclusion: { zone: 'east' } }, [aNode('node-a', { labels: { zone: 'east' } }), aNode('node-b')]),
      obstacle: 'node-excluded',
    },
    'that is cordoned': { world: worldOf({ cordoned: true }), obstacle: 'cordoned' },
    'whose node is cordoned': { world: worldOf({}, {}, [aNode('node-b', { cordons: ['maintenance'] })]), obstacle: 'cordoned' },
  };
  for (const [name, { world, obstacle }] of Object.entries(cases)) {
    it(name, () => expect(judge(world)).toEqual({ can: obstacle, may: false }));
  }

  it('whose node is being drained', () => {
    const world = worldOf({}, {}, [aNode('node-b')]);
    const drained = {
      ...world,
      nodes: world.nodes.map((node) =>
        node.id === 'node-b' ? { ...node, spec: { id: node.id, cordondrainstate: { drainingstate: { drainlabels: ['upgrade'] } } } } : node,
      ),
    };
    expect(judge(drained)).toEqual({ can: 'cordoned', may: false });
  });
});

/** Not good enough for us, but Mayastor may think otherwise: such a pool is cordoned while it chooses. */
describe('a pool that is no destination, but that Mayastor might choose', () => {
  const thin = { thin: true, size: 10 * gibibyte } as const;
  const cases: Record<string, { world: World; obstacle: Obstacle }> = {
    'that is degraded': { world: worldOf({ status: 'Degraded' }), obstacle: 'pool-offline' },
    'that is faulted': { world: worldOf({ status: 'Faulted' }), obstacle: 'pool-offline' },
    'whose node does not answer': { world: worldOf({ status: 'unreachable' }), obstacle: 'pool-offline' },
    'whose node is offline': { world: worldOf({}, {}, [aNode('node-b', { online: false })]), obstacle: 'node-offline' },
    'that is no larger than the volume': { world: worldOf({ capacity: gibibyte }), obstacle: 'too-small' },
    'without room for a thick replica': { world: worldOf({ used: 99 * gibibyte }), obstacle: 'full' },
    'that would be filled above the watermark': { world: worldOf({ used: 84.5 * gibibyte }), obstacle: 'full' },
    'without room for what a thin replica has and two fifths more': {
      world: worldOf({ capacity: 20 * gibibyte, used: 15.5 * gibibyte }, thin),
      obstacle: 'full',
    },
    'that is over-committed two and a half times': {
      world: worldOf({ capacity: 20 * gibibyte, committed: 41 * gibibyte }, thin),
      obstacle: 'full',
    },
    'that is encrypted where the others are not': { world: worldOf({ encrypted: true }), obstacle: 'unlike' },
    'of another cluster size': { world: worldOf({ clusterSize: 1024 ** 2 }), obstacle: 'unlike' },
    'whose node shares a spread label with that of a replica': {
      world: worldOf({}, { spreadKeys: ['zone'] }, [
        aNode('node-a', { labels: { zone: 'east' } }),
        aNode('node-b', { labels: { zone: 'east' } }),
      ]),
      obstacle: 'node-excluded',
    },
    'whose node lacks a spread label': {
      world: worldOf({}, { spreadKeys: ['zone'] }, [aNode('node-a', { labels: { zone: 'east' } }), aNode('node-b')]),
      obstacle: 'node-excluded',
    },
  };
  for (const [name, { world, obstacle }] of Object.entries(cases)) {
    it(name, () => expect(judge(world)).toEqual({ can: obstacle, may: true }));
  }
});

describe('limits met exactly', () => {
  it('the watermark may be reached, not passed', () => {
    expect(judge(worldOf({ used: 84 * gibibyte })).can).toBeUndefined();
    expect(judge(worldOf({ used: 84 * gibibyte + 1 })).can).toBe('full');
  });

  it('a spread label of another value is no obstacle', () => {
    const nodes = [aNode('node-a', { labels: { zone: 'east' } }), aNode('node-b', { labels: { zone: 'west' } })];
    expect(judge(worldOf({}, { spreadKeys: ['zone'] }, nodes)).can).toBeUndefined();
  });

  it('a topology key without a value asks for the key alone', () => {
    expect(judge(worldOf({ labels: { gate: 'anything' } }, { poolInclusion: { gate: '' } })).can).toBeUndefined();
  });
});
