import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statusPatch, urgencyOf } from './status-change.ts';

/** RFC 7386, as the API server does it. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
    return patch;
  }
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const result = new Map<string, unknown>(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      result.delete(key);
    } else {
      result.set(key, applyMergePatch(result.get(key), value));
    }
  }
  return Object.fromEntries(result);
}

const key = fc.constantFrom('a', 'b', 'c', 'd');
const { node } = fc.letrec<{ node: unknown; leaf: unknown; object: unknown }>((tie) => ({
  node: fc.oneof({ maxDepth: 3 }, tie('leaf'), tie('object')),
  leaf: fc.oneof(fc.integer(), fc.string({ maxLength: 3 }), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 })),
  object: fc.dictionary(key, tie('node'), { maxKeys: 3, noNullPrototype: true }),
}));
const status = fc.dictionary(key, node, { maxKeys: 4, noNullPrototype: true });

describe('the change of a status', () => {
  it('brings every status to what is wanted, and leaves outermost fields of others alone', () => {
    fc.assert(
      fc.property(status, status, (from, to) => {
        const result = applyMergePatch(from, statusPatch(from, to) ?? {});
        const others = Object.fromEntries(Object.entries(from).filter(([name]) => !Object.hasOwn(to, name)));
        expect(result).toEqual({ ...others, ...to });
      }),
    );
  });

  it('is nothing where both say the same, whatever the order of their keys', () => {
    expect(statusPatch({ a: 1, b: [{ x: 1, y: 2 }] }, { b: [{ y: 2, x: 1 }], a: 1 })).toBeUndefined();
    expect(statusPatch(undefined, {})).toBeUndefined();
  });

  it('removes what is not wanted any more from an inner object', () => {
    expect(statusPatch({ acceptedSpec: { k: 4, least: 5 } }, { acceptedSpec: { k: 4 } })).toEqual({ acceptedSpec: { least: null } });
  });

  const condition = (message: string, state = 'True') => ({ type: 'Ready', status: state, reason: 'Deciding', message });
  const urgency = (from: object, to: object, ageMs = 0) => urgencyOf(statusPatch(from, to) ?? {}, { from, ageMs, staleMs: 1_000 });

  it('is no reason to write where only the time of looking is another, unless that is old', () => {
    expect(urgency({ lastReconcileTime: 'a', n: 1 }, { lastReconcileTime: 'b', n: 1 }, 999)).toBe('not');
    expect(urgency({ lastReconcileTime: 'a', n: 1 }, { lastReconcileTime: 'b', n: 1 }, 1_000)).toBe('soon');
  });

  it('can wait where only words are others', () => {
    const from = { conditions: [condition('took 3 ms')] };
    expect(urgency(from, { conditions: [condition('took 4 ms')], lastReconcileTime: 'b' })).toBe('later');
    expect(urgency(from, { conditions: [condition('took 3 ms', 'False')] })).toBe('soon');
    expect(urgency(from, { conditions: [condition('took 4 ms')], watchedVolumes: 3 })).toBe('soon');
  });
});
