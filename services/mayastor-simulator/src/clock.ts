/** The simulated cluster's time. It does not pass while the simulator is not running. */
export interface SimulatorClock {
  readonly mode: 'real' | 'manual';
  nowMs(): number;
  /** Only for manual time. */
  pass(ms: number): void;
}

export function simulatorClock(mode: SimulatorClock['mode'], startMs: number): SimulatorClock {
  if (mode === 'real') {
    const startedAt = performance.now();
    return {
      mode,
      nowMs: () => startMs + Math.floor(performance.now() - startedAt),
      pass: () => {
        throw new TypeError('real time passes by itself');
      },
    };
  }
  let nowMs = startMs;
  return {
    mode,
    nowMs: () => nowMs,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}
