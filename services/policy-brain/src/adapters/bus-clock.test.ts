import { describe, expect, it } from 'vitest';
import { BusClock } from './bus-clock.ts';

function clockAt(start: number) {
  let monotonicMs = start;
  return {
    clock: new BusClock({ monotonic: () => monotonicMs }),
    pass: (ms: number) => {
      monotonicMs += ms;
    },
  };
}

describe('the bus clock', () => {
  it('goes on from the last timestamp', () => {
    const { clock, pass } = clockAt(50);
    clock.observe(new Date(1_000_000));
    pass(250);
    expect(clock.now()).toBe(1_000_250);
  });

  it('is not set back by a message that was long under way', () => {
    const { clock, pass } = clockAt(0);
    clock.observe(new Date(1_000_000));
    pass(10);
    clock.observe(new Date(500_000));
    expect(clock.now()).toBe(1_000_010);
  });

  it('follows a clock that was set back, after a while', () => {
    const { clock, pass } = clockAt(0);
    clock.observe(new Date(10_000_000));
    for (let minute = 1; minute <= 11; minute += 1) {
      pass(60_000);
      clock.observe(new Date(1_000_000 + minute * 60_000));
    }
    expect(clock.now()).toBe(1_000_000 + 11 * 60_000);
  });

  it('knows nothing before the first timestamp', () => {
    expect(() => clockAt(0).clock.now()).toThrow(/before any timestamp/);
  });
});
