/** A bias that is in place is not enough: it must be ours, at the victim, and leave no doubt about who goes. */
import { describe, expect, it } from 'vitest';
import type { Bias } from '../contracts/migrator.ts';
import { aNode, aWorld } from '../testing/mayastor-objects.ts';
import { biasHolds, withBias } from './bias.ts';
import type { World } from './world.ts';

/** Replicas r1 and r2 on pools a and b, and a pool c without one; `cordoned` are nodes of an administrator's choice. */
function worldOf(o: { cordoned?: readonly string[]; gateKey?: boolean; r1?: { healthy: boolean } } = {}): World {
  return aWorld({
    volume: {
      replicas: [
        { uuid: 'r1', pool: 'a', ...o.r1 },
        { uuid: 'r2', pool: 'b' },
      ],
      ...((o.gateKey ?? true) ? { poolInclusion: { gate: '' } } : {}),
    },
    pools: ['a', 'b', 'c'].map((id) => ({ id, labels: { gate: 'yes' } })),
    nodes: (o.cordoned ?? []).map((id) => aNode(id, { cordons: ['maintenance'] })),
  });
}

const labelOf = (pool: string): Bias => ({ kind: 'pool-label', pool, key: 'gate', value: 'yes' });
const holds = (world: World, bias: Bias, victim = 'r2') =>
  biasHolds(withBias(world, bias), { bias, victim, cordonLabel: 'couchestor-bias' });

describe('a bias that holds', () => {
  it('is at the victim: what somebody else has done to it may be undone at any moment', () => {
    const cordoned = worldOf({ cordoned: ['node-b'] });
    expect(holds(cordoned, labelOf('c'))).toBe(false);
    expect(holds(cordoned, { kind: 'node-cordon', node: 'node-c' })).toBe(false);
    expect(holds(cordoned, labelOf('b'))).toBe(true);
  });

  it('leaves no doubt: with the node of another replica cordoned meanwhile, an unproven order would decide', () => {
    expect(holds(worldOf({ cordoned: ['node-a'] }), labelOf('b'))).toBe(false);
    expect(holds(worldOf({ cordoned: ['node-a'], gateKey: false }), { kind: 'node-cordon', node: 'node-b' })).toBe(false);
  });

  it('is none where another replica has fallen ill meanwhile: that one would go', () => {
    expect(holds(worldOf(), labelOf('b'))).toBe(true);
    expect(holds(worldOf({ r1: { healthy: false } }), labelOf('b'))).toBe(false);
  });
});
