/**
 * Moves volumes about without end and kills everything, over and over, at chosen steps of the moves; then lets the system come to rest and
 * looks whether anything was lost or left behind.
 *
 * A kill is aimed at the moment in which the journal says that a move has reached a step. Where the migrator dies, the journal is read
 * while it is down, so that the step that counts is the one that the move really was at.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { ledgerBucket, retryVolume } from '@couchestor/shared/contracts/brain';
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { cancelMove, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { sleep } from '@couchestor/shared/time';
import { ClusterCheck, type ClusterPicture, differences, type Verification } from './cluster-check.ts';
import { type FollowedMove, MoveFollower } from './follow-moves.ts';
import type { KillPlan, Victim } from './kill-plan.ts';
import { type Killable, TortureStack } from './torture-stack.ts';

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
  readonly verification: Verification | undefined;
  /** Everything that must not be. Empty: all is well. */
  readonly violations: readonly string[];
}

/** How much longer each reading of the pools takes: each step begins with one. */
const slowDownMs = 40;
const killGapMs = 300;
const calmIops = 60;
const calmTimeoutMs = 90_000;
const lookMs = 200;
/** Failures after which a volume waits for a person. */
const failuresMax = 5;

const rollBackSteps: readonly MoveStep[] = ['gate-rollback', 'roll-back', 'ungate-rollback'];

export async function runTorture(input: TortureInput): Promise<TortureResult> {
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-torture-'));
  await mkdir(folder, { recursive: true });
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
  #follower: MoveFollower | undefined;
  #aiming = true;
  #lastKillMs = 0;
  /** Of the moves that were sent back, alternately by a person and by a broken replica. */
  #sentBack = 0;

  constructor(o: TortureInput & { stack: TortureStack; bus: Bus; check: ClusterCheck }) {
    this.#o = o;
    this.#random = randomOf(o.seed);
  }

  async run(): Promise<TortureResult> {
    const { check, plan, bus, limitMs } = this.#o;
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
      if (performance.now() - retriedMs > 5_000) {
        retriedMs = performance.now();
        await this.#retryFailed();
      }
    }
    this.#aiming = false;
    await Promise.all(this.#underway);
    const violations = [...plan.missing(), ...this.#problems];
    const most = Math.max(0, ...follower.moves.map(({ kills }) => kills));
    if (most < this.#o.killsOfOneMove) {
      violations.push(`the move that was hit most often was hit ${most} times, not ${this.#o.killsOfOneMove}`);
    }
    this.#tell('calming down');
    const verification = await this.#comeToRest(before, violations);
    await follower.stop();
    violations.push(...follower.moves.flatMap(strangeEnds));
    return {
      kills: plan.total,
      seconds: Math.round((performance.now() - this.#startedMs) / 1_000),
      mostKillsOfOneMove: most,
      moves: follower.moves.length,
      outcomes: follower.outcomes(),
      verification,
      violations,
    };
  }

  #isDone(): boolean {
    const { plan, killsOfOneMove } = this.#o;
    return plan.left() === 0 && (this.#follower?.moves.some(({ kills }) => kills >= killsOfOneMove) ?? false);
  }

  /** Called the moment that a move has reached a step. */
  #onStep(record: MoveRecord): void {
    if (!this.#aiming) {
      return;
    }
    if (record.step === 'wait-sync' && this.#shouldSendBack()) {
      this.#track(this.#sendBack(record));
    }
    const now = performance.now();
    const follower = this.#follower;
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
    const ready = (name: Killable): boolean => this.#o.stack.isReady(name);
    switch (victim) {
      case 'migrator':
      case 'nats-server and migrator, wiped':
        // The journal is to be read once it is dead.
        return ready('migrator') && ready('nats-server');
      case 'nats-server, wiped':
        return ready('nats-server') && ready('migrator');
      case 'redis-server, wiped':
        return ready('redis-server');
      default:
        return ready(victim);
    }
  }

  async #kill(victim: Victim, record: MoveRecord, follower: MoveFollower): Promise<void> {
    const { stack, plan } = this.#o;
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
    let { step } = record;
    switch (victim) {
      case 'migrator':
        await stack.kill('migrator', {
          wipe: false,
          meanwhile: async () => {
            step = (await follower.readStep(volumeId))?.step ?? step;
          },
        });
        break;
      case 'nats-server and migrator, wiped':
        await stack.kill('migrator', {
          wipe: false,
          meanwhile: async () => {
            step = (await follower.readStep(volumeId))?.step ?? step;
            await stack.kill('nats-server', { wipe: true, meanwhile: async () => follower.onWiped() });
          },
        });
        break;
      case 'nats-server, wiped':
        await stack.kill('nats-server', { wipe: true, meanwhile: async () => follower.onWiped() });
        break;
      case 'redis-server, wiped':
        await stack.kill('redis-server', { wipe: true });
        break;
      default:
        await stack.kill(victim, { wipe: false });
    }
    move.kills += 1;
    plan.record(step, victim);
    this.#tell(`kill ${plan.total}: ${victim} at ${step} of ${move.moveId} (${move.kills}), ${plan.left()} to go`);
  }

  #shouldSendBack(): boolean {
    const { plan } = this.#o;
    const back = plan.left(rollBackSteps);
    return back > 0 && (back * 2 > plan.left() || this.#random() < 0.4);
  }

  /** Makes the move roll back: a person cancels it, or the new replica breaks for good. */
  async #sendBack({ request, newReplica }: MoveRecord): Promise<void> {
    this.#sentBack += 1;
    const { check, bus } = this.#o;
    const { volumeId, moveId } = request;
    const isWaiting = (): boolean => {
      const now = this.#follower?.open.get(volumeId);
      return now?.request.moveId === moveId && now.step === 'wait-sync';
    };
    const break_ = this.#sentBack % 3 === 0 && newReplica !== undefined;
    while (isWaiting() && this.#aiming) {
      const asked = break_ ? check.faultReplica(volumeId, newReplica.uuid) : bus.call(cancelMove, { move: moveId }, { timeoutMs: 1_000 });
      const done = await asked.then(
        () => true,
        () => false,
      );
      if (done) {
        return;
      }
      await sleep(100);
    }
  }

  /** As a person would: what failed too often is tried again. */
  async #retryFailed(): Promise<void> {
    const { bus } = this.#o;
    try {
      for (const { key, value } of await bus.bucket(ledgerBucket).entries()) {
        if (value.failures >= failuresMax && value.pending === undefined) {
          await bus.call(retryVolume, { volume: key }, { timeoutMs: 1_000 });
        }
      }
    } catch {
      // NATS or the brain is down just now; the next look will do it.
    }
  }

  async #comeToRest(before: ClusterPicture, violations: string[]): Promise<Verification | undefined> {
    const { stack, check } = this.#o;
    try {
      await stack.untilAllReady();
      await check.clearFaults();
      for (const volume of Object.keys(before.numReplicas)) {
        await check.setLoad(volume, calmIops);
      }
      let quietSinceMs = performance.now();
      await waitUntil(
        async () => {
          const left = await this.#leftOver(before);
          if (left.length > 0) {
            quietSinceMs = performance.now();
          }
          return performance.now() - quietSinceMs > 3_000;
        },
        { timeoutMs: calmTimeoutMs, intervalMs: lookMs, what: 'all moves to end' },
      ).catch(() => undefined);
      violations.push(...(await this.#leftOver(before)));
      violations.push(...((await this.#follower?.unended()) ?? []));
      const verification = await check.verify();
      for (const figure of ['corrupt', 'corruptReads', 'underReplicatedMs'] as const) {
        if (verification[figure] !== 0) {
          violations.push(`${figure} is ${verification[figure]}`);
        }
      }
      return verification;
    } catch (error) {
      violations.push(`the end could not be looked at: ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  }

  async #leftOver(before: ClusterPicture): Promise<string[]> {
    const open = [...(this.#follower?.open.values() ?? [])].map(({ request, step }) => `move ${request.moveId} is open, at ${step}`);
    return [...open, ...differences(before, await this.#o.check.picture())];
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

/** Nobody but the migrator changes replica counts here, so no move may end for such a reason, or because it lost sight of its own doing. */
const strangeCodes: ReadonlySet<string> = new Set(['CHANGED_EXTERNALLY', 'WRONG_POOL', 'VOLUME_GONE', 'NO_BIAS', 'SHRINK_REFUSED', 'ROLL_BACK_REFUSED']);

function strangeEnds({ moveId, volumeId, ends }: FollowedMove): string[] {
  return [...ends.values()]
    .filter(({ result }) => strangeCodes.has(result.code))
    .map(({ result, finishedAt }) => `move ${moveId} of ${volumeId} ended with ${result.code} at ${finishedAt}: ${result.message}`);
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
