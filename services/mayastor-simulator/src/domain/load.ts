/** How hard a volume is worked, as a function of time. */
import type { LoadPhase } from './scenario.ts';

export interface Load {
  readonly phases: readonly LoadPhase[];
  readonly repeats: 'last' | 'all';
  readonly startedAtMs: number;
}

/** The phase in force; undefined where the volume has no load. */
export function phaseAt(load: Load, nowMs: number): LoadPhase | undefined {
  const totalMs = load.phases.reduce((sum, phase) => sum + phase.forSeconds * 1_000, 0);
  let elapsedMs = Math.max(0, nowMs - load.startedAtMs);
  if (load.repeats === 'all' && totalMs > 0) {
    elapsedMs %= totalMs;
  }
  for (const phase of load.phases) {
    elapsedMs -= phase.forSeconds * 1_000;
    if (elapsedMs < 0) {
      return phase;
    }
  }
  return load.phases.at(-1);
}
