/** Makes the plan of a failing world smaller: leaves out events, as many at a time as can be spared, for as long as the same rule is broken. */
import type { WorldEvent } from './events.ts';
import type { WorldPlan } from './plan.ts';
import { runWorld, type WorldOptions } from './world.ts';

/** Of worlds that are run: what is left then is small enough to read. */
const runsMax = 300;

export async function shrinkPlan(plan: WorldPlan, rules: ReadonlySet<string>, options: WorldOptions = {}): Promise<WorldPlan> {
  let runs = 0;
  let events = plan.events;
  const fails = async (some: readonly WorldEvent[]): Promise<boolean> => {
    runs += 1;
    const { violations } = await runWorld({ ...plan, events: some }, options);
    return violations.some((violation) => rules.has(ruleOf(violation)));
  };
  for (let size = Math.ceil(events.length / 2); size >= 1 && runs < runsMax; ) {
    let spared = false;
    for (let from = 0; from < events.length && runs < runsMax; ) {
      const without = [...events.slice(0, from), ...events.slice(from + size)];
      if (await fails(without)) {
        events = without;
        spared = true;
      } else {
        from += size;
      }
    }
    if (size === 1 && !spared) {
      break;
    }
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return { ...plan, events };
}

/** `S3 at 1200 ms: ...` is of rule S3. */
export function ruleOf(violation: string): string {
  return violation.split(' at ')[0] ?? violation;
}
