/** Which process is killed at which step of the one move, in this order. Pure. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';

export interface PlannedKill {
  readonly process: string;
  readonly at: MoveStep;
  /** So long after the step was told: in the middle of its calls, or while one is under way. */
  readonly afterMs: number;
}

/** At `wait-sync` there is time, so that is where everything else is killed in turn. */
export const chaosPlan: readonly PlannedKill[] = [
  { process: 'migrator', at: 'gate-grow', afterMs: 15 },
  { process: 'migrator', at: 'scale-up', afterMs: 150 },
  { process: 'migrator', at: 'wait-sync', afterMs: 0 },
  { process: 'policy-brain', at: 'wait-sync', afterMs: 0 },
  { process: 'redis', at: 'wait-sync', afterMs: 0 },
  { process: 'nats', at: 'wait-sync', afterMs: 0 },
  { process: 'mayastor-simulator', at: 'wait-sync', afterMs: 0 },
  { process: 'migrator', at: 'gate-shrink', afterMs: 10 },
  { process: 'migrator', at: 'scale-down', afterMs: 150 },
];

/** Servers that the environment names are somebody else's. */
export function killable(plan: readonly PlannedKill[], env: NodeJS.ProcessEnv): PlannedKill[] {
  return plan.filter(({ process }) => !((process === 'nats' && env['NATS_URL']) || (process === 'redis' && env['REDIS_URL'])));
}

/** The first that is still to be done and belongs to this step. */
export function nextKill(plan: readonly PlannedKill[], done: ReadonlySet<PlannedKill>, step: MoveStep): PlannedKill | undefined {
  return plan.find((planned) => planned.at === step && !done.has(planned));
}
