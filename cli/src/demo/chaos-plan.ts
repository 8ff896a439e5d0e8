/** Which process is killed at which step of the one move, in this order. Pure. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';

export interface PlannedKill {
  readonly process: string;
  readonly at: MoveStep;
}

/** At `wait-sync` there is time, so that is where everything else is killed in turn. */
export const chaosPlan: readonly PlannedKill[] = [
  { process: 'migrator', at: 'gate-grow' },
  { process: 'migrator', at: 'scale-up' },
  { process: 'migrator', at: 'wait-sync' },
  { process: 'policy-brain', at: 'wait-sync' },
  { process: 'redis', at: 'wait-sync' },
  { process: 'nats', at: 'wait-sync' },
  { process: 'mayastor-simulator', at: 'wait-sync' },
  { process: 'migrator', at: 'gate-shrink' },
  { process: 'migrator', at: 'scale-down' },
];

/** Servers that the environment names are somebody else's. */
export function killable(plan: readonly PlannedKill[], env: NodeJS.ProcessEnv): PlannedKill[] {
  return plan.filter(({ process }) => !((process === 'nats' && env['NATS_URL']) || (process === 'redis' && env['REDIS_URL'])));
}

/** The first that is still to be done and belongs to this step. */
export function nextKill(plan: readonly PlannedKill[], done: ReadonlySet<PlannedKill>, step: MoveStep): PlannedKill | undefined {
  return plan.find((planned) => planned.at === step && !done.has(planned));
}
