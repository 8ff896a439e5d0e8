/** Worlds drawn from seeds: whatever befalls one, S1 to S5 and S10 hold after each step, and in the end everything is as people left it. */
import type { advance } from '@couchestor/migrator/domain/advance';
import { type MoveOutcome, moveSteps } from '@couchestor/shared/contracts/migration';
import { describe, expect, it } from 'vitest';
import { drawPlan } from './plan.ts';
import { addResult, noResult, runSeed } from './run-seeds.ts';
import { ruleOf, shrinkPlan } from './shrink.ts';
import { runWorld } from './world.ts';

const seeds = 200;
const seedsTimeoutMs = 240_000;
/** The rest, and every kind of sight and ending, take more worlds: `npm run simulate` says which it has not seen. */
const commonOutcomes: readonly MoveOutcome[] = ['success', 'refused', 'aborted', 'failed', 'kept-old'];
const again = (seed: number): string => `npm run simulate -- --seed ${seed}`;

describe('worlds drawn from seeds', () => {
  it(
    'keep every rule, and between them reach every step and every usual outcome',
    async () => {
      const sum = noResult();
      for (let seed = 1; seed <= seeds; seed += 1) {
        addResult(sum, await runSeed(seed));
      }
      expect(sum.failures.map(({ seed, violations }) => ({ again: again(seed), violations }))).toEqual([]);
      expect([...sum.steps].sort()).toEqual([...moveSteps].sort());
      const outcomes = new Set(Object.keys(sum.counts).filter((what) => what.startsWith('ended: ')));
      expect([...outcomes]).toEqual(expect.arrayContaining(commonOutcomes.map((outcome) => `ended: ${outcome}`)));
      for (const what of ['crashes', 'calls delivered late', 'calls without an answer', 'wipes of NATS']) {
        expect({ what, count: sum.counts[what] }).toEqual({ what, count: expect.any(Number) });
      }
    },
    seedsTimeoutMs,
  );

  it('are the same each time', async () => {
    const seed = 7;
    const once = await runWorld(drawPlan(seed), { traced: true });
    const twice = await runWorld(drawPlan(seed), { traced: true });
    expect(twice.trace).toEqual(once.trace);
    expect(twice.counts).toEqual(once.counts);
  });
});

type Machine = typeof advance;

/** Machines with one rule broken, each of which must be found out. */
const broken: Record<string, { readonly rules: readonly string[]; readonly machine: (real: Machine) => Machine }> = {
  'that does not wait until the new replica is synced': {
    rules: ['S1'],
    machine: (real) => (move, sight, limits) => real(move, { ...sight, syncedForMs: 3_600_000 }, limits),
  },
  'that shrinks without a bias': {
    rules: ['steering'],
    machine: (real) => (move, sight, limits) => {
      const next = real(move, sight, limits);
      return move.step === 'gate-shrink' && next.effect.kind === 'place-bias'
        ? { move: { ...next.move, step: 'scale-down', scaleDownSent: true }, effect: { kind: 'look' } }
        : move.step === 'scale-down' && sight.answer === undefined && sight.reading !== undefined
          ? { move, effect: { kind: 'put-replica-count', count: move.originalReplicas ?? 1 } }
          : next;
    },
  },
  'that takes one replica too many': {
    rules: ['S2'],
    machine: (real) => (move, sight, limits) => {
      const next = real(move, sight, limits);
      const { effect } = next;
      return effect.kind === 'put-replica-count' && effect.count === move.originalReplicas && effect.count > 1
        ? { move: next.move, effect: { ...effect, count: effect.count - 1 } }
        : next;
    },
  },
  'that leaves its marks behind': {
    rules: ['S3'],
    machine: (real) => (move, sight, limits) => {
      const next = real(move, sight, limits);
      return next.effect.kind === 'unmark-volume' ? { move: next.move, effect: { kind: 'close' } } : next;
    },
  },
};

describe('the simulation', () => {
  for (const [name, { rules, machine }] of Object.entries(broken)) {
    it(
      `finds out a machine ${name}`,
      async () => {
        const { advance: real } = await import('@couchestor/migrator/domain/advance');
        const found = new Set<string>();
        for (let seed = 1; seed <= 60 && !rules.some((rule) => found.has(rule)); seed += 1) {
          const { violations } = await runWorld(drawPlan(seed), { machine: machine(real) });
          violations.forEach((violation) => found.add(ruleOf(violation)));
        }
        expect([...found]).toEqual(expect.arrayContaining([rules.find((rule) => found.has(rule)) ?? rules[0]]));
      },
      seedsTimeoutMs,
    );
  }

  it(
    'leaves out of a failing world what it does not need',
    async () => {
      const { advance: real } = await import('@couchestor/migrator/domain/advance');
      const machine = broken['that leaves its marks behind']?.machine(real) ?? real;
      for (let seed = 1; ; seed += 1) {
        const plan = drawPlan(seed);
        const { violations } = await runWorld(plan, { machine });
        if (violations.length > 0 && plan.events.length > 3) {
          const small = await shrinkPlan(plan, new Set(violations.map(ruleOf)), { machine });
          expect(small.events.length).toBeLessThan(plan.events.length);
          expect((await runWorld(small, { machine })).violations).not.toEqual([]);
          return;
        }
      }
    },
    seedsTimeoutMs,
  );
});
