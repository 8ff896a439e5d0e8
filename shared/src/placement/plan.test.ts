import { describe, expect, it } from 'vitest';
import { aNode, aWorld, type PoolInput, type VolumeInput } from '../testing/mayastor-objects.ts';
import { type Capabilities, type Goal, type NextReplica, planNextReplica } from './plan.ts';
import { type RefusalCode, refusals } from './refusals.ts';
import type { World } from './world.ts';

const gibibyte = 1024 ** 3;
const moveId = 'm0123456789abcdef';
const goal: Goal = {
  to: 'hot',
  selectors: {
    hot: { matchLabels: { tier: 'hot' } },
    warm: { matchLabels: { tier: 'warm' } },
    cold: { matchLabels: { tier: 'cold' } },
  },
  capacityWatermarkPercent: 85,
  allowSnapshots: false,
  syncTimeoutMs: 1_800_000,
};
const capabilities: Capabilities = { poolCordon: true };

function pool(id: string, tier: string, o: Partial<PoolInput> = {}): PoolInput {
  return { id, labels: { tier, gate: '' }, ...o };
}

/** Two replicas on cold pools, two hot pools elsewhere, one warm pool. */
function worldOf(o: { volume?: Partial<VolumeInput>; pools?: readonly PoolInput[]; nodes?: ReturnType<typeof aNode>[] } = {}): World {
  return aWorld({
    volume: {
      replicas: [
        { uuid: 'r1', pool: 'cold-1' },
        { uuid: 'r2', pool: 'cold-2' },
      ],
      poolInclusion: { gate: '' },
      ...o.volume,
    },
    pools: o.pools ?? [pool('cold-1', 'cold'), pool('cold-2', 'cold'), pool('hot-1', 'hot'), pool('hot-2', 'hot'), pool('warm-1', 'warm')],
    ...(o.nodes === undefined ? {} : { nodes: o.nodes }),
  });
}

function hot(...pools: readonly PoolInput[]): PoolInput[] {
  return [pool('cold-1', 'cold'), pool('cold-2', 'cold'), ...pools];
}

function refusalOf(next: NextReplica) {
  if (next.kind !== 'refused') {
    throw new Error(`not refused but ${next.kind}`);
  }
  return next.refusal;
}

function planOf(next: NextReplica) {
  if (next.kind !== 'move') {
    throw new Error(next.kind === 'refused' ? next.refusal.message : next.kind);
  }
  return next.plan;
}

describe('the plan for the next replica', () => {
  it('takes the first replica by uuid to the freest pool of the tier, and closes every other pool that could take it', () => {
    const next = planNextReplica(
      worldOf({
        pools: hot(
          pool('hot-1', 'hot', { used: 10 * gibibyte }),
          pool('hot-2', 'hot', { used: gibibyte }),
          pool('warm-1', 'warm'),
          pool('cold-3', 'cold', { cordoned: true }),
        ),
      }),
      goal,
      capabilities,
    );
    expect(next).toEqual({
      kind: 'move',
      plan: {
        source: { uuid: 'r1', pool: 'cold-1', node: 'node-cold-1' },
        destination: { pool: 'hot-2', node: 'node-hot-2' },
        cordonPools: ['hot-1', 'warm-1'],
        bytes: gibibyte,
      },
      remaining: 2,
    });
  });

  it('leaves out the fuller pool above the watermark though nothing else is free', () => {
    const pools = hot(pool('hot-1', 'hot', { used: 90 * gibibyte }), pool('hot-2', 'hot', { capacity: 10 * gibibyte, used: 7 * gibibyte }));
    expect(planOf(planNextReplica(worldOf({ pools }), goal, capabilities)).destination.pool).toBe('hot-2');
  });

  it('chooses by id between equally free pools, so that brain and migrator plan alike', () => {
    expect(planOf(planNextReplica(worldOf(), goal, capabilities)).destination.pool).toBe('hot-1');
  });

  it('of a mixed volume moves only what lies outside the tier', () => {
    const replicas = [
      { uuid: 'r1', pool: 'hot-1' },
      { uuid: 'r2', pool: 'cold-2' },
    ];
    const next = planNextReplica(worldOf({ volume: { replicas } }), goal, capabilities);
    expect(next).toMatchObject({ kind: 'move', remaining: 1, plan: { source: { uuid: 'r2' }, destination: { pool: 'hot-2' } } });
  });

  it('moves a replica off a pool that two tiers select, and never to one', () => {
    const both = { hot: { matchLabels: { tier: 'hot' } }, warm: { matchExpressions: [{ key: 'also-warm', operator: 'Exists' as const }] } };
    const ambiguous = pool('hot-0', 'hot', { labels: { tier: 'hot', gate: '', 'also-warm': '' } });
    const pools = [pool('cold-2', 'cold'), ambiguous, pool('hot-1', 'hot'), pool('hot-2', 'hot')];
    const replicas = [
      { uuid: 'r1', pool: 'hot-0' },
      { uuid: 'r2', pool: 'cold-2' },
    ];
    const from = planNextReplica(worldOf({ volume: { replicas }, pools }), { ...goal, selectors: both }, capabilities);
    expect(planOf(from)).toMatchObject({ source: { uuid: 'r1' }, destination: { pool: 'hot-1' } });
    const to = planNextReplica(worldOf({ pools: [...hot(ambiguous), pool('hot-1', 'hot')] }), { ...goal, selectors: both }, capabilities);
    expect(planOf(to).destination.pool).toBe('hot-1');
  });

  it('is done where every replica lies in the tier, whatever else ails the volume', () => {
    const replicas = [
      { uuid: 'r1', pool: 'hot-1' },
      { uuid: 'r2', pool: 'hot-2', state: 'Faulted', childStatus: 'Faulted' },
    ];
    expect(planNextReplica(worldOf({ volume: { replicas, published: false } }), goal, { poolCordon: false })).toEqual({ kind: 'done' });
  });

  it('takes another replica where the first one could not be singled out for removal', () => {
    // The node of r1 cannot be marked: its pool lacks the gate label and would drag others along.
    const pools = [pool('cold-1', 'cold'), pool('cold-2', 'cold'), pool('hot-1', 'hot'), pool('hot-2', 'hot')];
    const replicas = [
      { uuid: 'r1', pool: 'cold-1' },
      { uuid: 'r2', pool: 'cold-2' },
    ];
    const nodes = [aNode('node-cold-2', { cordons: ['maintenance'] })];
    const next = planNextReplica(worldOf({ volume: { replicas }, pools, nodes }), goal, capabilities);
    // Back from r1 the new replica would have to go rather than r2, whose node is cordoned: not sure, so nothing moves.
    expect(refusalOf(next).code).toBe('NO_BIAS');
  });

  it('is made as if our own gates were not there', () => {
    const world = worldOf();
    const gated = {
      ...world,
      pools: world.pools.map((one) => {
        const marked = { ...one.spec?.labels, 'couchestor-gate': `${moveId}..cordon` };
        const cordoned = { replicas: true, snapshots: false, restores: false, import: false };
        return one.id === 'hot-1' || one.id === 'warm-1'
          ? {
              ...one,
              spec: { ...one.spec, id: one.id, node: `node-${one.id}`, status: 'Created', labels: marked, cordonDrain: { cordoned } },
            }
          : one;
      }),
    };
    expect(planNextReplica(gated, goal, capabilities)).toEqual(planNextReplica(world, goal, capabilities));
  });

  it('copies what a thin replica has allocated, and all of a thick one', () => {
    const replicas = [
      { uuid: 'r1', pool: 'cold-1', allocated: 5 },
      { uuid: 'r2', pool: 'cold-2' },
    ];
    expect(planOf(planNextReplica(worldOf({ volume: { replicas, thin: true } }), goal, capabilities)).bytes).toBe(5);
    expect(planOf(planNextReplica(worldOf({ volume: { replicas } }), goal, capabilities)).bytes).toBe(gibibyte);
  });
});

interface Case {
  readonly world: World;
  readonly goal?: Partial<Goal>;
  readonly capabilities?: Capabilities;
  /** What the message begins with, before the help of the code. */
  readonly words: string;
  /** The same refusal with another cause: another fingerprint. Absent: the code is the whole cause. */
  readonly otherCause?: World;
  /** A world that differs in something that is no cause: the same fingerprint. */
  readonly sameCause: World;
}

const kept = pool('warm-1', 'warm', {
  labels: { tier: 'warm', gate: '', 'couchestor-move-5b1f8e0c-6f5e-4d7a-9f60-2f0b5a7b9c11': `${moveId}..2..kept` },
});
const three = [
  { uuid: 'r1', pool: 'cold-1' },
  { uuid: 'r2', pool: 'cold-2' },
  { uuid: 'r3', pool: 'hot-2' },
];
const four = [...three, { uuid: 'r4', pool: 'cold-3' }];
const larger = { size: 2 * gibibyte };

const cases: Record<RefusalCode, Case> = {
  UNSUPPORTED_MAYASTOR: { world: worldOf(), capabilities: { poolCordon: false }, words: '', sameCause: worldOf({ volume: larger }) },
  UNPUBLISHED: {
    world: worldOf({ volume: { published: false } }),
    words: '',
    sameCause: worldOf({ volume: { published: false, ...larger } }),
  },
  HAS_SNAPSHOTS: {
    world: worldOf({ volume: { snapshots: 2 } }),
    words: 'It has 2 snapshots. ',
    otherCause: worldOf({ volume: { snapshots: 3 } }),
    sameCause: worldOf({ volume: { snapshots: 2, ...larger } }),
  },
  EXTRA_REPLICA: {
    world: worldOf({ volume: { replicas: three }, pools: hot(pool('hot-1', 'hot'), pool('hot-2', 'hot'), kept) }),
    words: 'It had 2 replicas and has 3. ',
    otherCause: worldOf({
      volume: { replicas: four },
      pools: hot(pool('hot-1', 'hot'), pool('hot-2', 'hot'), pool('cold-3', 'cold'), kept),
    }),
    sameCause: worldOf({ volume: { replicas: three, ...larger }, pools: hot(pool('hot-1', 'hot'), pool('hot-2', 'hot'), kept) }),
  },
  AFFINITY_GROUP: {
    world: worldOf({ volume: { replicas: [{ uuid: 'r1', pool: 'cold-1' }], affinityGroup: 'set' } }),
    words: '',
    sameCause: worldOf({ volume: { replicas: [{ uuid: 'r1', pool: 'cold-1' }], affinityGroup: 'other' } }),
  },
  REBUILDING: {
    world: worldOf({ volume: { rebuilds: 1 } }),
    words: '',
    otherCause: worldOf({ volume: { rebuilds: 2 } }),
    sameCause: worldOf({ volume: { rebuilds: 1, ...larger } }),
  },
  NOT_HEALTHY: {
    world: worldOf({ volume: { status: 'Degraded', children: 1 } }),
    words: 'Volume Degraded, 2 replicas and 1 children of 2, 0 of them not Online. ',
    otherCause: worldOf({ volume: { status: 'Degraded', children: 2, numReplicas: 1 } }),
    sameCause: worldOf({ volume: { status: 'Degraded', children: 1, ...larger } }),
  },
  NO_POOL_IN_TIER: {
    world: worldOf({ pools: hot() }),
    words: 'Tier hot (tier=hot). ',
    sameCause: worldOf({ pools: hot(pool('warm-1', 'warm')) }),
  },
  PINNED: {
    world: worldOf({ volume: { poolInclusion: { tier: 'cold' } } }),
    words: 'The volume wants pools with tier=cold. ',
    otherCause: worldOf({ volume: { poolInclusion: { tier: 'cold' } }, pools: hot(pool('hot-1', 'hot'), pool('hot-9', 'hot')) }),
    sameCause: worldOf({ volume: { poolInclusion: { tier: 'cold' }, ...larger } }),
  },
  NO_FREE_NODE: {
    world: worldOf({ pools: hot(pool('hot-1', 'hot', { node: 'node-cold-1' })) }),
    words: 'Tier hot has hot-1: holds-replica. ',
    otherCause: worldOf({ pools: hot(pool('hot-1', 'hot', { node: 'node-cold-1' }), pool('hot-2', 'hot', { node: 'node-cold-2' })) }),
    sameCause: worldOf({ pools: hot(pool('hot-1', 'hot', { node: 'node-cold-1', used: gibibyte })) }),
  },
  TIER_FULL: {
    world: worldOf({ pools: hot(pool('hot-1', 'hot', { used: 90 * gibibyte })) }),
    words: '1073741824 bytes are needed (hot-1: full). ',
    otherCause: worldOf({ pools: hot(pool('hot-1', 'hot', { used: 90 * gibibyte }), pool('hot-2', 'hot', { node: 'node-cold-1' })) }),
    sameCause: worldOf({ pools: hot(pool('hot-1', 'hot', { used: 91 * gibibyte })) }),
  },
  TIER_UNAVAILABLE: {
    world: worldOf({ pools: hot(pool('hot-1', 'hot', { cordoned: true }), pool('hot-2', 'hot', { encrypted: true })) }),
    words: 'hot-1: cordoned, hot-2: unlike. ',
    otherCause: worldOf({ pools: hot(pool('hot-1', 'hot', { status: 'Faulted' }), pool('hot-2', 'hot', { encrypted: true })) }),
    sameCause: worldOf({ pools: hot(pool('hot-1', 'hot', { cordoned: true, used: 1 }), pool('hot-2', 'hot', { encrypted: true })) }),
  },
  NO_BIAS: {
    world: worldOf({ nodes: [aNode('node-cold-2', { cordons: ['maintenance'] })] }),
    words: '',
    otherCause: worldOf({
      volume: {
        replicas: [
          { uuid: 'r1', pool: 'cold-1' },
          { uuid: 'r2', pool: 'warm-1' },
        ],
      },
      nodes: [aNode('node-warm-1', { cordons: ['maintenance'] })],
    }),
    sameCause: worldOf({ nodes: [aNode('node-cold-2', { cordons: ['maintenance'] })], volume: larger }),
  },
  TIMEOUT_TOO_SHORT: {
    world: worldOf(),
    goal: { syncTimeoutMs: 60_000 },
    capabilities: { poolCordon: true, rebuildBytesPerSecond: gibibyte / 95 },
    words: 'Needs about 1m 35s, limit 1m. ',
    otherCause: worldOf({ volume: { size: 8 * gibibyte } }),
    sameCause: worldOf({ volume: { size: 1.1 * gibibyte } }),
  },
};

describe('a refusal', () => {
  for (const [code, one] of Object.entries(cases) as [RefusalCode, Case][]) {
    const refusalIn = (world: World) => refusalOf(planNextReplica(world, { ...goal, ...one.goal }, one.capabilities ?? capabilities));

    it(`${code} says what is wrong and what helps`, () => {
      expect(refusalIn(one.world)).toMatchObject({ code, message: `${one.words}${refusals[code]}` });
    });

    it(`${code} has the fingerprint of its cause and of nothing else`, () => {
      const { causeFingerprint } = refusalIn(one.world);
      expect(refusalIn(one.sameCause)).toMatchObject({ code, causeFingerprint });
      if (one.otherCause !== undefined) {
        const other = refusalIn(one.otherCause);
        expect(other.code).toBe(code);
        expect(other.causeFingerprint).not.toBe(causeFingerprint);
      }
    });
  }

  it('for snapshots is not made where the policy allows them, and is for a clone', () => {
    expect(planNextReplica(worldOf({ volume: { snapshots: 2 } }), { ...goal, allowSnapshots: true }, capabilities).kind).toBe('move');
    expect(refusalOf(planNextReplica(worldOf({ volume: { clone: true } }), goal, capabilities)).code).toBe('HAS_SNAPSHOTS');
  });

  it('for an extra replica ends once num_replicas is back', () => {
    expect(planNextReplica(worldOf({ pools: hot(pool('hot-1', 'hot'), pool('hot-2', 'hot'), kept) }), goal, capabilities).kind).toBe(
      'move',
    );
  });

  it('for a single replica in an affinity group is not made for two', () => {
    expect(planNextReplica(worldOf({ volume: { affinityGroup: 'set' } }), goal, capabilities).kind).toBe('move');
  });

  it('says that there is no room rather than no node, and no pool is up rather than no node', () => {
    const taken = pool('hot-1', 'hot', { node: 'node-cold-1' });
    const codeWith = (...others: PoolInput[]) =>
      refusalOf(planNextReplica(worldOf({ pools: hot(taken, ...others) }), goal, capabilities)).code;
    expect(codeWith()).toBe('NO_FREE_NODE');
    expect(codeWith(pool('hot-2', 'hot', { status: 'unreachable' }))).toBe('TIER_UNAVAILABLE');
    expect(codeWith(pool('hot-2', 'hot', { status: 'unreachable' }), pool('hot-3', 'hot', { used: 99 * gibibyte }))).toBe('TIER_FULL');
  });

  it('for the time is not made before a rate was measured', () => {
    expect(planNextReplica(worldOf(), { ...goal, syncTimeoutMs: 1 }, capabilities).kind).toBe('move');
  });

  it('changes its fingerprint when the timeout or the watermark is changed, for that is the cure', () => {
    const late = (syncTimeoutMs: number) =>
      refusalOf(planNextReplica(worldOf(), { ...goal, syncTimeoutMs }, { poolCordon: true, rebuildBytesPerSecond: 1 })).causeFingerprint;
    expect(late(1_000)).not.toBe(late(2_000));
    const world = worldOf({ pools: hot(pool('hot-1', 'hot', { used: 98 * gibibyte })) });
    const full = (capacityWatermarkPercent: number) =>
      refusalOf(planNextReplica(world, { ...goal, capacityWatermarkPercent }, capabilities)).causeFingerprint;
    expect(full(85)).not.toBe(full(90));
  });

  it('for a volume that is not healthy is another one for every sign of that', () => {
    const ailing: Partial<VolumeInput>[] = [
      { status: 'Degraded' },
      { status: 'Faulted' },
      { targetState: 'Degraded' },
      { children: 3 },
      { numReplicas: 3, children: 2 },
      { numReplicas: 3, children: 3 },
      {
        replicas: [
          { uuid: 'r1', pool: 'cold-1', state: 'Faulted' },
          { uuid: 'r2', pool: 'cold-2' },
        ],
      },
      {
        replicas: [
          { uuid: 'r1', pool: 'cold-1' },
          { uuid: 'r2', pool: 'cold-2', healthy: false },
        ],
      },
    ];
    const found = ailing.map((volume) => refusalOf(planNextReplica(worldOf({ volume }), goal, capabilities)));
    expect(found.map(({ code }) => code)).toEqual(ailing.map(() => 'NOT_HEALTHY'));
    expect(new Set(found.map(({ causeFingerprint }) => causeFingerprint)).size).toBe(ailing.length);
  });
});
