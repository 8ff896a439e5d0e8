/** Many worlds one after another, and what they found together. */
import type { Findings } from './findings.ts';
import { drawPlan } from './plan.ts';
import { runWorld, type WorldOptions } from './world.ts';

export interface SeedsResult {
  worlds: number;
  readonly failures: { readonly seed: number; readonly violations: readonly string[] }[];
  readonly counts: Record<string, number>;
  readonly steps: string[];
  readonly sights: string[];
  readonly endings: string[];
}

export function noResult(): SeedsResult {
  return { worlds: 0, failures: [], counts: {}, steps: [], sights: [], endings: [] };
}

export function addResult(sum: SeedsResult, more: SeedsResult): void {
  sum.worlds += more.worlds;
  sum.failures.push(...more.failures);
  for (const [what, count] of Object.entries(more.counts)) {
    sum.counts[what] = (sum.counts[what] ?? 0) + count;
  }
  for (const kind of ['steps', 'sights', 'endings'] as const) {
    sum[kind].push(...more[kind].filter((one) => !sum[kind].includes(one)));
  }
}

export async function runSeed(seed: number, options: WorldOptions = {}): Promise<SeedsResult> {
  return resultOf(seed, await runWorld(drawPlan(seed), options));
}

function resultOf(seed: number, { violations, counts, steps, sights, endings }: Findings): SeedsResult {
  return {
    worlds: 1,
    failures: violations.length === 0 ? [] : [{ seed, violations }],
    counts: { ...counts },
    steps: [...steps],
    sights: [...sights],
    endings: [...endings],
  };
}
