/** Every call of the move that changes Mayastor fails in every way: refused, lost before or after its effect, or late by seconds and minutes. */
import { addFault } from '@couchestor/mayastor-simulator/domain/handle';
import { type FaultInput, faultSchema } from '@couchestor/mayastor-simulator/domain/request';
import { describe, expect, it } from 'vitest';
import {
  ends,
  expectNothingLeft,
  gateKey,
  type House,
  house,
  leftIn,
  pass,
  poolsOf,
  runToEnd,
  sweep,
  syncedOf,
  volumeId,
  volumeOf,
} from './house.ts';

type Match = FaultInput['match'];
type Way = Omit<FaultInput, 'match' | 'after'>;

/** The calls of a move. Those of the bias differ: a label's or a node cordon's. */
const calls = {
  'put the replica count': { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/*' },
  'put a mark or label': { method: 'PUT', pathPattern: '/v0/pools/*/label/*' },
  'take off a gate mark': { method: 'DELETE', pathPattern: '/v0/pools/*/label/couchestor-gate' },
  'take off the gate label': { method: 'DELETE', pathPattern: `/v0/pools/*/label/${gateKey}` },
  'take off the volume mark': { method: 'DELETE', pathPattern: `/v0/pools/*/label/couchestor-move-${volumeId}` },
  'cordon a pool': { method: 'PUT', pathPattern: '/v0/pools/*/cordon' },
  'uncordon a pool': { method: 'DELETE', pathPattern: '/v0/pools/*/cordon' },
  'cordon a node': { method: 'PUT', pathPattern: '/v0/nodes/*/cordon/*' },
  'uncordon a node': { method: 'DELETE', pathPattern: '/v0/nodes/*/cordon/*' },
} satisfies Record<string, Match>;
type CallName = keyof typeof calls;
const callNames = Object.keys(calls) as CallName[];

/** Calls that only one of the two ways to bias a removal makes. */
const biasOf: Partial<Record<CallName, 'label' | 'node'>> = {
  'take off the gate label': 'label',
  'cordon a node': 'node',
  'uncordon a node': 'node',
};

const lost: Record<string, Way> = {
  ...Object.fromEntries(
    ([503, 504, 408, 'timeout'] as const).flatMap((answer) => [
      [`${answer} without effect`, { answer, applied: false }],
      [`${answer} with effect`, { answer, applied: true }],
    ]),
  ),
  '409': { answer: 409, applied: false },
};
/** Within the gate, after it, and after the whole move. */
const late: Record<string, Way> = {
  'late by 1.5 s': { answer: 'timeout', applied: true, delayMs: 1_500 },
  'late by 4 s': { answer: 503, applied: true, delayMs: 4_000 },
  'late by 12 s': { answer: 'timeout', applied: true, delayMs: 12_000 },
  'late by 2 min': { answer: 504, applied: true, delayMs: 120_000 },
};

/**
 * What a call may leave for good that arrives after its gate was let go, and nothing else may: Mayastor has no conditional writes, so such a
 * call cannot be fenced off (docs/safety.md).
 */
const mayLeave: Partial<Record<CallName, RegExp>> = {
  'put the replica count': /^a replica too many$/,
  'take off the gate label': /^no gate label on pool-cold-3$/,
  'cordon a pool': /^cordon on pool-/,
};

function broken(o: { seed: number; gateKey: boolean; call: CallName; way: Way; after: number }): House {
  const h = house({ seed: o.seed, gateKey: o.gateKey, replicas: 1 });
  addFault(h.world.model, faultSchema.parse({ match: calls[o.call], after: o.after, ...o.way }));
  return h;
}

/** A late call may come after the move's end: time passes, and the next process looks around. */
async function settle(h: House): Promise<void> {
  await pass(h, 180_000);
  await sweep(h);
  await pass(h, 30_000);
}

describe('a call that is lost', () => {
  for (const bias of ['label', 'node'] as const) {
    for (const call of callNames.filter((name) => (biasOf[name] ?? bias) === bias)) {
      it(`leaves the move safe and whole: ${call}, ${bias} bias`, async () => {
        for (const [name, way] of Object.entries(lost)) {
          for (const after of [0, 1]) {
            const h = broken({ seed: after + 1, gateKey: bias === 'label', call, way, after });
            await runToEnd(h);
            expect({ name, after, ends: ends(h), count: poolsOf(h).length }).toEqual({ name, after, ends: ['success MOVED'], count: 1 });
            expect(poolsOf(h)[0]).toMatch(/^pool-hot/);
            await expectNothingLeft(h);
          }
        }
      });
    }
  }

  it('is tried again and again, but not for ever, and the volume is back to what it was', async () => {
    for (const answer of [503, 409, 400] as const) {
      const h = house({ seed: 4, replicas: 1 });
      addFault(
        h.world.model,
        faultSchema.parse({ match: { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/2' }, answer, applied: false, times: 1_000 }),
      );
      await runToEnd(h);
      expect({ answer, ends: ends(h), pools: poolsOf(h) }).toEqual({ answer, ends: ['failed GROW_REFUSED'], pools: ['pool-cold-3'] });
      await expectNothingLeft(h);
    }
  });

  it('keeps both replicas, and says so, where Mayastor never removes the old one', async () => {
    const h = house({ seed: 4, replicas: 1 });
    addFault(
      h.world.model,
      faultSchema.parse({
        match: { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/1' },
        answer: 503,
        applied: false,
        times: 1_000,
      }),
    );
    await runToEnd(h);
    expect(ends(h)).toEqual(['kept-old SHRINK_REFUSED']);
    expect([volumeOf(h).numReplicas, syncedOf(h)]).toEqual([2, 2]);
    expect(await leftIn(h)).toEqual([expect.stringMatching(/^kept mark on pool-hot/)]);
  });

  it('says that there was no pool where Mayastor answers 507', async () => {
    const h = house({ seed: 4, replicas: 1 });
    addFault(h.world.model, faultSchema.parse({ match: calls['put the replica count'], answer: 507, applied: false }));
    await runToEnd(h);
    expect(ends(h)).toEqual(['failed NO_ELIGIBLE_POOL']);
    await expectNothingLeft(h);
  });
});

describe('a call whose effect comes late', () => {
  for (const bias of ['label', 'node'] as const) {
    for (const call of callNames.filter((name) => (biasOf[name] ?? bias) === bias)) {
      it(`never leaves fewer synced replicas than there were: ${call}, ${bias} bias`, async () => {
        for (const [name, way] of Object.entries(late)) {
          for (const after of [0, 1, 3]) {
            const h = broken({ seed: after + 11, gateKey: bias === 'label', call, way, after });
            await runToEnd(h);
            await settle(h);
            const replicas = volumeOf(h).numReplicas > 1 ? ['a replica too many'] : [];
            const left = [...(await leftIn(h)), ...replicas].filter((line) => mayLeave[call]?.test(line) !== true);
            expect({ name, after, left, breaches: h.world.breaches }).toEqual({ name, after, left: [], breaches: [] });
            expect(poolsOf(h).some((pool) => pool.startsWith('pool-hot'))).toBe(true);
            expect(syncedOf(h)).toBeGreaterThanOrEqual(1);
          }
        }
      });
    }
  }

  it('is taken for what it is where it comes while the move goes on', async () => {
    for (const [delayMs, bias] of [7_000, 9_000, 15_000].flatMap((ms) => [[ms, 'label'] as const, [ms, 'node'] as const])) {
      const way = { answer: 503, applied: true, delayMs } as const;
      const grow = house({ seed: 5, replicas: 1, gateKey: bias === 'label' });
      addFault(grow.world.model, faultSchema.parse({ match: { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/2' }, ...way }));
      await runToEnd(grow);
      expect({ delayMs, bias, ends: ends(grow), left: await leftIn(grow) }).toEqual({ delayMs, bias, ends: ['success MOVED'], left: [] });
      expect(grow.world.breaches).toEqual([]);
    }
  });
});
