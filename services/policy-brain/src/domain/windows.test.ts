import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseWindows } from './windows.ts';

const nine = Array.from({ length: 9 }, (_, index) => ({ policy: `p${index}`, windowSeconds: (index + 1) * 60 }));

describe('the windows in use', () => {
  it('are those of all policies, each once', () => {
    expect(
      chooseWindows(
        [
          { policy: 'b', windowSeconds: 60 },
          { policy: 'a', windowSeconds: 60 },
          { policy: 'c', windowSeconds: 30 },
        ],
        [],
      ),
    ).toEqual([30, 60]);
  });

  it('leave out the ninth by name', () => {
    expect(chooseWindows([...nine].reverse(), [])).toEqual(nine.slice(0, 8).map(({ windowSeconds }) => windowSeconds));
  });

  it('are not taken from a policy by a new one', () => {
    const inUse = nine.slice(1).map(({ windowSeconds }) => windowSeconds);
    expect(chooseWindows(nine, inUse)).toEqual(inUse);
  });

  it('make room once nobody asks for one of them', () => {
    const inUse = nine.slice(1).map(({ windowSeconds }) => windowSeconds);
    expect(chooseWindows(nine.slice(0, 8), inUse)).toContain(60);
  });

  it('are at most eight, all asked for, and the same for every order of the policies', () => {
    const anyWanted = fc.uniqueArray(fc.record({ policy: fc.uuid(), windowSeconds: fc.integer({ min: 1, max: 20 }) }), {
      selector: ({ policy }) => policy,
      maxLength: 30,
    });
    fc.assert(
      fc.property(anyWanted, fc.uniqueArray(fc.integer({ min: 1, max: 20 })), (wanted, inUse) => {
        const chosen = chooseWindows(wanted, inUse);
        const asked = new Set(wanted.map(({ windowSeconds }) => windowSeconds));
        expect(chosen.length).toBe(Math.min(8, asked.size));
        expect(chosen.every((window) => asked.has(window))).toBe(true);
        expect(chooseWindows([...wanted].reverse(), inUse)).toEqual(chosen);
        expect(chooseWindows(wanted, chosen)).toEqual(chosen);
      }),
    );
  });
});
