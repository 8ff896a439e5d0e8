/** Which kills are wanted: a number for each pair of a journal step and a way to die. Filled as moves come by; nothing waits for its turn. */
import { type MoveStep, moveSteps } from '@couchestor/shared/contracts/migration';

/** What dies by `kill -9`. A wiped broker loses its data while it is down. */
export const victims = [
  'migrator',
  'policy-brain',
  'mayastor-simulator',
  'nats-server',
  'redis-server',
  'nats-server, wiped',
  'migrator, both brokers wiped',
  'redis-server, wiped',
] as const;
export type Victim = (typeof victims)[number];

/** The steps during which a gate or a bias stands in Mayastor, and the one in which the volume has a replica more. */
const stepsWithMarks: readonly MoveStep[] = moveSteps.filter((step) => step !== 'analyze' && step !== 'finish');

export class KillPlan {
  readonly #wanted = new Map<MoveStep, Map<Victim, number>>(moveSteps.map((step) => [step, new Map()]));
  readonly #done = new Map<MoveStep, Map<Victim, number>>(moveSteps.map((step) => [step, new Map()]));
  #total = 0;

  /** Each step once, by the migrator's death; each other process once; one wipe of each broker. */
  static short(): KillPlan {
    const plan = new KillPlan();
    for (const step of moveSteps) {
      plan.#want(step, 'migrator', 1);
    }
    plan.#want('scale-down', 'policy-brain', 1);
    plan.#want('scale-up', 'mayastor-simulator', 1);
    plan.#want('gate-shrink', 'nats-server', 1);
    plan.#want('wait-sync', 'redis-server', 1);
    plan.#want('wait-sync', 'redis-server, wiped', 1);
    plan.#want('wait-sync', 'nats-server, wiped', 1);
    return plan;
  }

  /**
   * Each process at each step twice; NATS wiped at n+1 and at each step of each gate, alone and with everything else that knows of the move;
   * Redis wiped; and the rest are the migrator's.
   */
  static long(kills: number): KillPlan {
    const plan = new KillPlan();
    for (const step of moveSteps) {
      for (const victim of ['migrator', 'policy-brain', 'mayastor-simulator', 'nats-server', 'redis-server'] as const) {
        plan.#want(step, victim, 2);
      }
    }
    for (const step of stepsWithMarks) {
      plan.#want(step, 'nats-server, wiped', 1);
      plan.#want(step, 'migrator, both brokers wiped', 1);
    }
    plan.#want('wait-sync', 'redis-server, wiped', 1);
    plan.#want('scale-down', 'redis-server, wiped', 1);
    for (let index = 0; plan.left() < kills; index += 1) {
      plan.#want(moveSteps[index % moveSteps.length] ?? 'analyze', 'migrator', 1);
    }
    return plan;
  }

  get total(): number {
    return this.#total;
  }

  /** What is wanted at a step and may be killed now, the least satisfied first. */
  wantedAt(step: MoveStep, mayDie: (victim: Victim) => boolean): Victim | undefined {
    return victims
      .filter((victim) => this.#missing(step, victim) > 0 && mayDie(victim))
      .sort((left, right) => this.#doneOf(step, left) - this.#doneOf(step, right))[0];
  }

  record(step: MoveStep, victim: Victim): void {
    this.#done.get(step)?.set(victim, this.#doneOf(step, victim) + 1);
    this.#total += 1;
  }

  /** Kills that are still wanted at these steps. */
  left(steps: readonly MoveStep[] = moveSteps): number {
    return steps.flatMap((step) => victims.map((victim) => this.#missing(step, victim))).reduce((sum, missing) => sum + missing, 0);
  }

  /** What was wanted and not done, in words. */
  missing(): string[] {
    return moveSteps.flatMap((step) =>
      victims
        .filter((victim) => this.#missing(step, victim) > 0)
        .map((victim) => `${step}: ${victim} was killed ${this.#doneOf(step, victim)} times of ${this.#wanted.get(step)?.get(victim)}`),
    );
  }

  table(): string {
    const used = victims.filter((victim) =>
      moveSteps.some((step) => (this.#wanted.get(step)?.get(victim) ?? 0) > 0 || this.#doneOf(step, victim) > 0),
    );
    const rows = [
      ['step', ...used, 'all'],
      ...moveSteps.map((step) => {
        const counts = used.map((victim) => this.#doneOf(step, victim));
        return [step, ...counts.map(String), String(counts.reduce((sum, count) => sum + count, 0))];
      }),
    ];
    const widths = rows[0]?.map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
    return rows
      .map((row) =>
        row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
      )
      .join('\n');
  }

  /** Kills by step, over all victims. */
  perStep(): Record<string, number> {
    return Object.fromEntries(moveSteps.map((step) => [step, victims.reduce((sum, victim) => sum + this.#doneOf(step, victim), 0)]));
  }

  #want(step: MoveStep, victim: Victim, count: number): void {
    const wanted = this.#wanted.get(step);
    wanted?.set(victim, (wanted.get(victim) ?? 0) + count);
  }

  #doneOf(step: MoveStep, victim: Victim): number {
    return this.#done.get(step)?.get(victim) ?? 0;
  }

  #missing(step: MoveStep, victim: Victim): number {
    return Math.max(0, (this.#wanted.get(step)?.get(victim) ?? 0) - this.#doneOf(step, victim));
  }
}
