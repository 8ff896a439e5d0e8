/** Runs one world: from its plan to the rest at its end, when everything must be as people left it. */

import { clearFaults } from '@couchestor/mayastor-simulator/domain/handle';
import { setNodeOnline, setPoolOnline } from '@couchestor/mayastor-simulator/domain/mishaps';
import { advance } from '@couchestor/migrator/domain/advance';
import { explainVolume, ledgerBucket, retryVolume } from '@couchestor/shared/contracts/brain';
import { type FinishedMove, type MoveStep, migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { cancelsBucket } from '@couchestor/shared/contracts/migrator';
import { type VolumeSample, volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { parseDurationMs } from '@couchestor/shared/duration';
import { parseVolumeMark } from '@couchestor/shared/placement/marks';
import { BrainJudge } from './brain-judge.ts';
import { type RunningBrain, startBrain } from './brain-process.ts';
import { CallJudge } from './call-judge.ts';
import { Dice } from './dice.ts';
import type { WorldEvent } from './events.ts';
import { Expectations } from './expectations.ts';
import { Findings } from './findings.ts';
import { befall, publish } from './happenings.ts';
import { LockBook } from './lock-book.ts';
import { type Machine, startMigrator, syncedHoldMs } from './migrator-process.ts';
import { MoveBook } from './move-book.ts';
import type { WorldPlan } from './plan.ts';
import { Policies } from './policies.ts';
import { SimBroker } from './sim-broker.ts';
import { SimJobs } from './sim-jobs.ts';
import { SimMayastor } from './sim-mayastor.ts';
import { SimProcess } from './sim-process.ts';
import { SimTime } from './sim-time.ts';

const restMsMax = 4 * 3_600_000;
const defaultDownMs = 1_000;

export interface WorldOptions {
  readonly traced?: boolean;
  /** Instead of the machine of the migrator: to see that a broken one is found out. */
  readonly machine?: Machine;
}

/** Runs the world of a plan to its end, and gives what was found. */
export async function runWorld(plan: WorldPlan, options: WorldOptions = {}): Promise<Findings> {
  const world = new World(plan, options);
  await world.live();
  return world.findings;
}

export class World {
  readonly plan: WorldPlan;
  readonly settings: WorldPlan['settings'];
  readonly machine: Machine;
  readonly time = new SimTime();
  readonly findings: Findings;
  readonly locks = new LockBook();
  readonly moves: MoveBook;
  readonly policies: Policies;
  readonly brainJudge: BrainJudge;
  readonly broker: SimBroker;
  readonly jobs: SimJobs;
  readonly mayastor: SimMayastor;
  readonly expectations: Expectations;
  /** Mean IOPS by volume. */
  readonly loads = new Map<string, number>();
  /** For how long each process stays away when it dies next. */
  readonly downMs = new Map<number, number>();
  samplesAwayUntilMs = 0;
  readonly #dice: Dice;
  readonly #processes: (SimProcess | undefined)[] = [];
  #brain: RunningBrain | undefined;
  #waiting: WorldEvent[] = [];
  #atRest = false;
  #wipes = 0;
  readonly #operator: SimProcess;

  constructor(plan: WorldPlan, options: WorldOptions) {
    const { seed, settings, scenario } = plan;
    const { time } = this;
    this.plan = plan;
    this.settings = settings;
    this.machine = options.machine ?? advance;
    this.#dice = new Dice(seed, 1);
    this.findings = new Findings({ time, traced: options.traced ?? false });
    const { findings, locks } = this;
    const judged = { findings, movesMax: settings.movesMax, now: time.now };
    this.moves = new MoveBook({ ...judged, locks });
    this.policies = new Policies(plan.policies, time.now);
    this.brainJudge = new BrainJudge({ ...judged, policies: this.policies });
    this.broker = new SimBroker({ time, dice: this.#dice, validates: settings.validates, watch: this.#watch() });
    this.jobs = new SimJobs(time);
    const { callTimeoutMs } = settings;
    this.mayastor = new SimMayastor({ scenario, seed, time, dice: this.#dice, findings, callTimeoutMs });
    const { mayastor, moves } = this;
    this.expectations = new Expectations(mayastor.model);
    const { expectations } = this;
    mayastor.judgeBy(new CallJudge({ mayastor, findings, locks, moves, expectations, syncedHoldMs, callTimeoutMs, now: time.now }));
    for (const [index, volume] of Object.values(mayastor.model.volumes).entries()) {
      this.loads.set(volume.uuid, plan.loads[index] ?? 0);
    }
    this.#operator = new SimProcess({ name: 'operator', time, onDied: () => undefined });
  }

  wallNow = (): number => this.broker.wallNow() - this.broker.clockOffsetMs;

  processAt(index: number): SimProcess | undefined {
    return this.#processes[index];
  }

  async live(): Promise<void> {
    const { plan, time } = this;
    for (let index = 0; index <= plan.migrators; index += 1) {
      this.#start(index);
    }
    this.#measure(0);
    for (const event of plan.events) {
      time.at(event.atMs, () => this.#arm(event));
    }
    const endMs = plan.eventsMs + plan.calmMs;
    await time.run(plan.eventsMs);
    this.#waiting = [];
    await time.run(endMs);
    await this.#rest();
    this.#judgeTheEnd();
    await this.#judgeExplanations();
  }

  wipeNats(): void {
    this.#wipes += 1;
    this.broker.wipe();
    this.moves.wiped();
    this.locks.wiped(this.time.now());
    this.brainJudge.wiped();
  }

  tellPolicies(): void {
    const set = this.policies.set();
    this.#brain?.process.deliver(() => {
      if (this.#brain !== undefined) {
        this.#brain.brain.policySet = set;
        this.#brain.wake();
      }
    });
  }

  async cancel(moveId: string): Promise<void> {
    const bucket = this.broker.bus(this.#operator).bucket(cancelsBucket);
    await bucket.create(moveId, { requestedAt: new Date(this.wallNow()).toISOString() }).catch(() => undefined);
  }

  async retry(volume: string): Promise<void> {
    await this.broker
      .bus(this.#operator)
      .call(retryVolume, { volume }, { timeoutMs: 2_000 })
      .catch(() => undefined);
  }

  #watch(): ConstructorParameters<typeof SimBroker>[0]['watch'] {
    return {
      stored: (bucket, key, value, before) => {
        this.moves.stored(bucket, key, value, before);
        this.brainJudge.stored(bucket, key, value);
      },
      published: (type, payload) => {
        if (type === migrationFinished.type) {
          this.moves.published(payload as FinishedMove);
        } else if (type === migrationAdvanced.type) {
          const { step, volumeId } = payload as { step: MoveStep; volumeId: string };
          this.#reached(step, volumeId);
        }
      },
      deadLetter: (type, error) => this.findings.breach('S10', `${type} was put aside: ${String(error)}`),
    };
  }

  #start(index: number): void {
    const isBrain = index === this.plan.migrators;
    const name = isBrain ? 'brain' : `migrator${index + 1}`;
    const process = new SimProcess({
      name: `${name}.${this.findings.counts[`${name} started`] ?? 0}`,
      time: this.time,
      onDied: () => {
        this.findings.count('crashes');
        this.findings.say(process.name, 'dies');
        this.#processes[index] = undefined;
        this.time.after(this.downMs.get(index) ?? defaultDownMs, () => this.#start(index));
      },
    });
    this.findings.count(`${name} started`);
    this.#processes[index] = process;
    if (isBrain) {
      this.#brain = undefined;
      void startBrain(this, process).then((brain) => {
        this.#brain = brain;
      });
    } else {
      void startMigrator(this, process);
    }
    this.broker.pumpAll();
  }

  /** The samples of a round of every window. Who has stood still takes up what waits. */
  #measure(round: number): void {
    const { roundIntervalMs } = this.settings;
    this.broker.pumpAll();
    this.jobs.pump();
    if (!this.#atRest && this.time.now() >= this.samplesAwayUntilMs) {
      for (const window of this.policies.windows()) {
        this.#publishSamples(round, parseDurationMs(window) / 1_000);
      }
    }
    this.time.after(roundIntervalMs, () => this.#measure(round + 1));
  }

  #publishSamples(round: number, windowSeconds: number): void {
    const samples = Object.values(this.mayastor.model.volumes).map(({ uuid, nexus }) => this.#sample(uuid, nexus !== undefined));
    const batches = this.#dice.chance(0.2) && samples.length > 1 ? 2 : 1;
    const observedAt = new Date(this.wallNow()).toISOString();
    for (let batch = 0; batch < batches; batch += 1) {
      if (batch === 1 && this.#dice.chance(0.2)) {
        return;
      }
      const part = batches === 1 ? samples : samples.filter((_, index) => index % 2 === batch);
      const { roundIntervalMs } = this.settings;
      this.broker.publish(volumeSampled, { windowSeconds, round, roundIntervalMs, observedAt, batch, batches, samples: part });
    }
  }

  #sample(volumeId: string, published: boolean): VolumeSample {
    if (!published) {
      return { status: 'idle', volumeId };
    }
    if (this.#dice.chance(0.04)) {
      return { status: 'unknown', volumeId, reason: 'Prometheus has no series of it' };
    }
    const iops = Math.round((this.loads.get(volumeId) ?? 0) * (0.9 + this.#dice.fraction() * 0.2));
    const readIops = Math.round(iops * 0.7);
    const coverage = this.#dice.chance(0.05) ? 0.5 : 1;
    return { status: 'measured', volumeId, readIops, writeIops: iops - readIops, iops, coverage };
  }

  #arm(event: WorldEvent): void {
    if (event.onStep === undefined) {
      befall(this, event.happening);
    } else {
      this.#waiting.push(event);
    }
  }

  #reached(step: MoveStep, volumeId: string): void {
    const due = this.#waiting.filter(({ onStep }) => onStep === step);
    if (due.length === 0) {
      return;
    }
    this.#waiting = this.#waiting.filter((event) => !due.includes(event));
    for (const event of due) {
      this.time.after(event.delayMs, () => {
        if (!this.#atRest) {
          befall(this, event.happening, volumeId);
        }
      });
    }
  }

  /** Faults are cleared, everything is back, nobody wants anything any more: what is open comes to its end. */
  async #rest(): Promise<void> {
    const { time, mayastor, broker, jobs } = this;
    this.#atRest = true;
    this.findings.say('world', 'comes to rest');
    broker.comeBack();
    jobs.comeBack();
    this.samplesAwayUntilMs = 0;
    for (const process of this.#processes) {
      process?.spare();
    }
    clearFaults(mayastor.model);
    this.#heal();
    this.policies.disableAll();
    this.tellPolicies();
    const idle = (): boolean => this.moves.open.length === 0 && mayastor.lateCalls === 0 && !this.#pending();
    const limitMs = time.now() + restMsMax;
    // What is lifted, published and healed with a delay of its own, and two sweeps by everybody.
    await time.run(time.now() + 125_000);
    this.#heal();
    for (let quietMs = 0; quietMs < 3 * this.settings.sweepIntervalMs && time.now() < limitMs; ) {
      await time.run(limitMs, idle);
      const began = time.now();
      await time.run(began + 5_000, () => !idle());
      quietMs = idle() ? quietMs + 5_000 : 0;
    }
    mayastor.catchUp();
  }

  #heal(): void {
    const { mayastor } = this;
    for (const { id } of Object.values(mayastor.model.nodes)) {
      mayastor.befall((cluster, nowMs) => setNodeOnline(cluster, { node: id, online: true, nowMs }));
    }
    for (const { id } of Object.values(mayastor.model.pools)) {
      mayastor.befall((cluster, nowMs) => setPoolOnline(cluster, { pool: id, online: true, nowMs }));
    }
    for (const { uuid, nexus } of Object.values(mayastor.model.volumes)) {
      if (nexus === undefined && this.moves.openOf(uuid) !== undefined) {
        publish(this, uuid);
      }
    }
  }

  #pending(): boolean {
    return [...this.broker.peek(ledgerBucket).values()].some(({ value }) => value.pending !== undefined);
  }

  #judgeTheEnd(): void {
    const { findings, moves, mayastor, expectations } = this;
    moves.judgeEnds();
    for (const difference of expectations.differences(mayastor.model)) {
      findings.breach('S3', difference);
    }
    const marks = this.#judgeMarks();
    for (const volume of Object.values(mayastor.model.volumes)) {
      this.#judgeCount(volume.uuid, volume.numReplicas, marks.get(volume.uuid));
    }
    for (const [volumeId, { value }] of this.broker.peek(ledgerBucket)) {
      if (value.pending !== undefined) {
        findings.breach('S10', `the brain still waits for ${value.pending.request.moveId} of ${volumeId}`);
      }
    }
    for (const { request, result } of moves.ended()) {
      const told = this.broker
        .peek(ledgerBucket)
        .get(request.volumeId)
        ?.value.history.some(({ moveId }) => moveId === request.moveId);
      if (told !== true) {
        findings.breach('S10', `the ledger does not know how ${request.moveId} ended (${result?.code})`);
      }
    }
  }

  /** Only a mark that says `kept` may stay, where a replica was kept. Gives n by volume. */
  #judgeMarks(): Map<string, number> {
    const kept = new Map<string, number>();
    for (const { id, labels } of Object.values(this.mayastor.model.pools)) {
      for (const [key, value] of Object.entries(labels)) {
        const volumeId = key.startsWith('couchestor-move-') ? key.slice('couchestor-move-'.length) : undefined;
        const mark = volumeId === undefined ? undefined : parseVolumeMark(value);
        const volume = this.mayastor.model.volumes[volumeId ?? ''];
        if (volumeId === undefined) {
          continue;
        }
        if (mark?.kept === true && volume !== undefined && volume.numReplicas > mark.originalReplicas && !kept.has(volumeId)) {
          kept.set(volumeId, mark.originalReplicas);
        } else {
          this.findings.breach('S3', `the mark ${key}=${value} is left on pool ${id}`);
        }
      }
    }
    return kept;
  }

  #judgeCount(volumeId: string, count: number, keptAt: number | undefined): void {
    const { findings, expectations, moves } = this;
    const expected = expectations.counts.get(volumeId);
    if (count === expected) {
      return;
    }
    const end = moves.lastEnd(volumeId)?.result;
    if (expectations.isExcused(`count ${volumeId}`)) {
      findings.count('counts that a late call or somebody else left');
    } else if (count === (expected ?? 0) + 1 && keptAt !== undefined) {
      findings.count('replicas kept, with their mark');
    } else if (count === (expected ?? 0) + 1 && end?.code === 'CHANGED_EXTERNALLY' && this.plan.events.length > 0) {
      findings.count('replicas left by CHANGED_EXTERNALLY');
    } else {
      findings.breach(
        'S3',
        `volume ${volumeId} has ${count} replicas, and had ${expected}; its last move ended with ${end?.code ?? 'nothing'}`,
      );
    }
  }

  /** S5: every volume that there is can be explained. */
  async #judgeExplanations(): Promise<void> {
    const { time, broker, findings } = this;
    const bus = broker.bus(this.#operator);
    const asked = Object.keys(this.mayastor.model.volumes).map(async (volume) => {
      const answer = await bus.call(explainVolume, { volume }, { timeoutMs: 5_000 }).catch((error: unknown) => String(error));
      if (typeof answer === 'string' || answer.volume.decision === undefined || answer.facts.length === 0) {
        findings.breach('S5', `volume ${volume} is not explained: ${JSON.stringify(answer).slice(0, 200)}`);
      }
    });
    let explained = false;
    void Promise.all(asked).then(() => {
      explained = true;
    });
    await time.run(time.now() + 60_000, () => explained);
    findings.count('wipes of NATS', this.#wipes);
    findings.count('virtual minutes', Math.round(time.now() / 60_000));
  }
}
