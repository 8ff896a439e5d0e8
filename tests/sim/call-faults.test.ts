/** Every call of the move that changes Mayastor fails in every way: refused, lost before or after its effect, or late by seconds and minutes. */
import { addFault } from '@couchestor/mayastor-simulator/domain/handle';
import { type FaultInput, faultSchema } from '@couchestor/mayastor-simulator/domain/request';
import { describe, expect, it } from 'vitest';
import { ends, expectNothingLeft, type House, house, leftIn, pass, poolsOf, runToEnd, sweep, syncedOf, volumeOf } from './house.ts';

type Match = FaultInput['match'];
type Way = Omit<FaultInput, 'match' | 'after'>;

/** The calls of a move. Those of the bias differ: a label's or a node cordon's. */
const calls = {
  'put replica count': { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/*' },
  'put a pool label': { method: 'PUT', pathPattern: '/v0/pools/*/label/*' },
  'delete a pool label': { method: 'DELETE', pathPattern: '/v0/pools/*/label/*' },
  'cordon a pool': { method: 'PUT', pathPattern: '/v0/pools/*/cordon' },
  'uncordon a pool': { method: 'DELETE', pathPattern: '/v0/pools/*/cordon' },
  'cordon a node': { method: 'PUT', pathPattern: '/v0/nodes/*/cordon/*' },
  'uncordon a node': { method: 'DELETE', pathPattern: '/v0/nodes/*/cordon/*' },
} satisfies Record<string, Match>;
type CallName = keyof typeof calls;

const lost: Record<string, Way> = Object.fromEntries(
  ([503, 504, 408, 500, 409, 'timeout'] as const).flatMap((answer) => [
    [`${answer} without effect`, { answer, applied: false }],
    [`${answer} with effect`, { answer, applied: true }],
  ]),
);
/** Within the gate, after it, and after the whole move. */
const late: Record<string, Way> = {
  'late by 1.5 s': { answer: 'timeout', applied: true, delayMs: 1_500 },
  'late by 4 s': { answer: 503, applied: true, delayMs: 4_000 },
  'late by 12 s': { answer: 'timeout', applied: true, delayMs: 12_000 },
  'late by 2 min': { answer: 504, applied: true, delayMs: 120_000 },
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

const callNames = Object.keys(calls) as CallName[];

describe('a call that is lost', () => {
  for (const gateKey of [true, false]) {
    const ofTheOtherBias = gateKey ? / node$/ : /never/;
    for (const call of callNames.filter((name) => !ofTheOtherBias.test(name))) {
      it(`leaves the move safe and whole: ${call}, ${gateKey ? 'label bias' : 'node bias'}`, async () => {
        for (const [name, way] of Object.entries(lost)) {
          for (const after of [0, 1, 2]) {
            const h = broken({ seed: after + 1, gateKey, call, way, after });
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
      addFault(h.world.model, faultSchema.parse({ match: { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/2' }, answer, applied: false, times: 1_000 }));
      await runToEnd(h);
      expect({ answer, ends: ends(h), pools: poolsOf(h) }).toEqual({ answer, ends: ['failed GROW_REFUSED'], pools: ['pool-cold-3'] });
      await expectNothingLeft(h);
    }
  });

  it('keeps both replicas, and says so, where Mayastor never removes the old one', async () => {
    const h = house({ seed: 4, replicas: 1 });
    addFault(h.world.model, faultSchema.parse({ match: { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/1' }, answer: 503, applied: false, times: 1_000 }));
    await runToEnd(h);
    expect(ends(h)).toEqual(['kept-old SHRINK_REFUSED']);
    expect([volumeOf(h).numReplicas, syncedOf(h)]).toEqual([2, 2]);
    expect(await leftIn(h)).toEqual([expect.stringMatching(/^kept mark on pool-hot/)]);
  });

  it('says that there was no pool where Mayastor answers 507', async () => {
    const h = house({ seed: 4, replicas: 1 });
    addFault(h.world.model, faultSchema.parse({ match: calls['put replica count'], answer: 507, applied: false }));
    await runToEnd(h);
    expect(ends(h)).toEqual(['failed NO_ELIGIBLE_POOL']);
    await expectNothingLeft(h);
  });
});

describe('a call whose effect comes late', () => {
  for (const gateKey of [true, false]) {
    it(`never leaves fewer synced replicas than there were: ${gateKey ? 'label bias' : 'node bias'}`, async () => {
      for (const call of callNames) {
        for (const [name, way] of Object.entries(late)) {
          for (const after of [0, 1, 2, 3]) {
            const h = broken({ seed: after + 11, gateKey, call, way, after });
            await runToEnd(h);
            await settle(h);
            const what = { call, name, after, ends: ends(h) };
            expect({ ...what, breaches: h.world.breaches, synced: syncedOf(h) >= 1 }).toEqual({ ...what, breaches: [], synced: true });
            const left = (await leftIn(h)).filter((line) => !line.startsWith('kept '));
            if (left.length > 0 || poolsOf(h).length !== 1) console.log(JSON.stringify({ ...what, left, pools: poolsOf(h) }));
          }
        }
      }
    });
  }
});
