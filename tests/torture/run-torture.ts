/**
 * Moves volumes about without end and kills everything, over and over, at chosen steps of the moves; then lets the system come to rest and
 * looks whether anything was lost or left behind.
 *
 * A kill is aimed at the moment in which the journal says that a move has reached a step. Where the migrator dies, the journal is read
 * while it is down, so that the step that counts is the one that the move really was at.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import type { Bias, MoveRecord } from '@couchestor/shared/contracts/migrator';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { sleep } from '@couchestor/shared/time';
import { ClusterCheck, type Verification } from './cluster-check.ts';
import { comeToRest } from './come-to-rest.ts';
import { type FollowedMove, MoveFollower, strangeEnds } from './follow-moves.ts';
import type { KillPlan, Victim } from './kill-plan.ts';
import { People } from './people.ts';
import { randomOf } from './random.ts';
import { type Broker, type Killable, TortureStack } from './torture-stack.ts';

export interface TortureInput {
  readonly plan: KillPlan;
  readonly seed: number;
  /** So many kills are to hit one and the same move. */
  readonly killsOfOneMove: number;
  /** Fewer let each of them through the gate sooner. */
  readonly movesAtATime: number;
  /** Gives up where the plan is not filled by then. */
  readonly limitMs: number;
  readonly tell: (line: string) => void;
}

export interface TortureResult {
  readonly kills: number;
  readonly seconds: number;
  readonly mostKillsOfOneMove: number;
  readonly moves: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Shrinks by what singled out the replica. */
  readonly biases: Readonly<Record<Bias['kind'], number>>;
  readonly verification: Verification | undefined;
  /** Everything that must not be. Empty: all is well. */
  readonly violations: readonly string[];
}

/** How much longer each reading of the pools takes: each step begins with one. */
const slowDownMs = 40;
const killGapMs = 300;
const lookMs = 200;
const retryEveryMs = 5_000;

/** What each way to die is made of. */
const deaths: Readonly<Record<Victim, { readonly dies: Killable; readonly wiped: readonly Broker[] }>> = {
  migrator: { dies: 'migrator', wiped: [] },
  'policy-brain': { dies: 'policy-brain', wiped: [] },
  'mayastor-simulator': { dies: 'mayastor-simulator', wiped: [] },
  'nats-server': { dies: 'nats-server', wiped: [] },
  'redis-server': { dies: 'redis-server', wiped: [] },
  'nats-server, wiped': { dies: 'nats-server', wiped: ['nats-server'] },
  'migrator, both brokers wiped': { dies: 'migrator', wiped: ['nats-server', 'redis-server'] },
  'redis-server, wiped': { dies: 'redis-server', wiped: ['redis-server'] },
};

const rollBackSteps: readonly MoveStep[] = ['gate-rollback', 'roll-back', 'ungate-rollback'];

export async function runTorture(input: TortureInput): Promise<TortureResult> {
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-torture-'));
  input.tell(`torture: seed ${input.seed}, folder ${folder}`);
  const stack = await TortureStack.start({ folder, movesAtATime: input.movesAtATime });
  let bus: Bus | undefined;
  const check = new ClusterCheck(stack);
  let result: TortureResult | undefined;
  try {
    bus = await connectBus({ url: stack.natsUrl, name: 'cli', logger: quietLogger() });
    const torture = new Torture({ ...input, stack, bus, check });
    result = await torture.run();
    return result;
  } finally {
    await bus?.close();
    await check.close();
    await stack.stop();
    if (result?.violations.length === 0) {
      await rm(folder, { recursive: true, force: true });
    } else {
      input.tell(`torture: logs and data are kept in ${folder}`);
    }
  }
}

class Torture {
  readonly #o: TortureInput & { stack: TortureStack; bus: Bus; check: ClusterCheck };
  readonly #random: () => number;
  readonly #startedMs = performance.now();
  readonly #underway = new Set<Promise<void>>();
  readonly #problems: string[] = [];
  readonly #biases: Record<Bias['kind'], number> = { 'pool-label': 0, 'node-cordon': 0 };
  readonly #people: People;
  #follower: MoveFollower | undefined;
  #aiming = true;
  #lastKillMs = 0;

  constructor(o: TortureInput & { stack: TortureStack; bus: Bus; check: ClusterCheck }) {
    this.#o = o;
    this.#random = randomOf(o.seed);
    this.#people = new People(o);
  }

  async run(): Promise<TortureResult> {
    const { check, plan, bus, stack, limitMs } = this.#o;
    const before = await check.picture();
    await check.slowDown(slowDownMs);
    const follower = await MoveFollower.start(bus, {
      onStep: (record) => this.#onStep(record),
      onEnd: (move) => {
        for (const strange of strangeEnds(move)) {
          this.#tell(strange);
        }
      },
    });
    this.#follower = follower;
    const deadlineMs = this.#startedMs + limitMs;
    let retriedMs = 0;
    while (!this.#isDone() && performance.now() < deadlineMs) {
      await sleep(lookMs);
      if (performance.now() - retriedMs > retryEveryMs) {
        retriedMs = performance.now();
        await this.#people.retryFailed();
      }
    }
    this.#aiming = false;
    await Promise.all(this.#underway);
    const violations = [...plan.missing(), ...this.#problems];
    const most = Math.max(0, ...follower.moves.map(({ kills }) => kills));
    if (most < this.#o.killsOfOneMove) {
      violations.push(`the move that was hit most often was hit ${most} times, not ${this.#o.killsOfOneMove}`);
    }
    for (const [kind, count] of Object.entries(this.#biases)) {
      if (count === 0) {
        violations.push(`no shrink was biased by a ${kind}`);
      }
    }
    this.#tell('calming down');
    const rest = await comeToRest({ stack, check, bus, follower, before });
    await follower.stop();
    violations.push(...rest.violations, ...follower.moves.flatMap(strangeEnds));
    return {
      kills: plan.total,
      seconds: Math.round((performance.now() - this.#startedMs) / 1_000),
      mostKillsOfOneMove: most,
      moves: follower.moves.length,
      outcomes: follower.outcomes(),
      biases: this.#biases,
      verification: rest.verification,
      violations,
    };
  }

  #isDone(): boolean {
    const { plan, killsOfOneMove } = this.#o;
    const isEveryBiasSeen = Object.values(this.#biases).every((count) => count > 0);
    return plan.left() === 0 && isEveryBiasSeen && (this.#follower?.moves.some(({ kills }) => kills >= killsOfOneMove) ?? false);
  }

  /** Called the moment that a move has reached a step. */
  #onStep(record: MoveRecord): void {
    if (record.bias !== undefined && (record.step === 'scale-down' || record.step === 'roll-back')) {
      this.#biases[record.bias.kind] += 1;
    }
    if (!this.#aiming) {
      return;
    }
    const follower = this.#follower;
    if (record.step === 'wait-sync' && this.#shouldSendBack()) {
      const { moveId, volumeId } = record.request;
      const isWaiting = (): boolean => {
        const now = follower?.open.get(volumeId);
        return this.#aiming && now?.request.moveId === moveId && now.step === 'wait-sync';
      };
      this.#track(this.#people.sendBack(record, isWaiting));
    }
    const now = performance.now();
    if (follower === undefined || now - this.#lastKillMs < killGapMs) {
      return;
    }
    const target = this.#isTarget(follower.followed(record));
    const victim = this.#o.plan.wantedAt(record.step, (one) => (target || one !== 'migrator') && this.#mayDie(one));
    if (victim !== undefined) {
      this.#lastKillMs = now;
      this.#track(this.#kill(victim, record, follower));
    }
  }

  /** Until one move has been hit often enough, the migrator dies only for the one that was hit most. */
  #isTarget(move: FollowedMove): boolean {
    const { moves = [], open } = this.#follower ?? {};
    if (moves.some(({ kills }) => kills >= this.#o.killsOfOneMove)) {
      return true;
    }
    const isOpen = ({ volumeId, moveId }: FollowedMove): boolean => open?.get(volumeId)?.request.moveId === moveId;
    const most = Math.max(0, ...moves.filter(isOpen).map(({ kills }) => kills));
    return move.kills >= most;
  }

  #mayDie(victim: Victim): boolean {
    const { dies, wiped } = deaths[victim];
    // Once the migrator is dead, the journal is to be read.
    const needed: readonly Killable[] = [dies, ...wiped, ...(dies === 'migrator' ? (['nats-server'] as const) : [])];
    return needed.every((name) => this.#o.stack.isReady(name));
  }

  async #kill(victim: Victim, record: MoveRecord, follower: MoveFollower): Promise<void> {
    const { plan } = this.#o;
    const { volumeId } = record.request;
    // Some at the very beginning of the step, some further on in it, as long as it lasts.
    const delayMs = Math.floor(this.#random() * 3) * 30;
    if (delayMs > 0) {
      await sleep(delayMs);
    }
    const now = follower.open.get(volumeId);
    if (now?.step !== record.step || !this.#mayDie(victim)) {
      return;
    }
    const move = follower.followed(record);
    const step = await this.#strike(victim, record, follower);
    if (step === undefined) {
      this.#tell(`${victim} died too late: ${move.moveId} had ended`);
      return;
    }
    move.kills += 1;
    plan.record(step, victim);
    this.#tell(`kill ${plan.total}: ${victim} at ${step} of ${move.moveId} (${move.kills}), ${plan.left()} to go`);
  }

  /** @returns the step that was hit; undefined where a killed migrator left no record of the move */
  async #strike(victim: Victim, { request, step: aimed }: MoveRecord, follower: MoveFollower): Promise<MoveStep | undefined> {
    const { stack } = this.#o;
    const { dies, wiped } = deaths[victim];
    const emptied = async (name: Killable): Promise<void> => (name === 'nats-server' ? follower.onWiped() : undefined);
    if (dies !== 'migrator') {
      const wipe = wiped.length > 0;
      await stack.kill(dies, wipe ? { wipe, meanwhile: () => emptied(dies) } : { wipe });
      return aimed;
    }
    let left: MoveRecord | undefined;
    await stack.kill('migrator', {
      wipe: false,
      meanwhile: async () => {
        left = await follower.readRecord(request.volumeId);
        await Promise.all(wiped.map((name) => stack.kill(name, { wipe: true, meanwhile: () => emptied(name) })));
      },
    });
    return left?.request.moveId === request.moveId ? left.step : undefined;
  }

  #shouldSendBack(): boolean {
    const { plan } = this.#o;
    const back = plan.left(rollBackSteps);
    return back > 0 && (back * 2 > plan.left() || this.#random() < 0.4);
  }

  #track(work: Promise<void>): void {
    const done = work.catch((error: unknown) => {
      this.#problems.push(`the torture itself failed: ${error instanceof Error ? error.message : error}`);
    });
    this.#underway.add(done);
    void done.then(() => this.#underway.delete(done));
  }

  #tell(text: string): void {
    this.#o.tell(`${((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
  }
}
