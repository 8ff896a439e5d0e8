/**
 * Joins the model of the control plane with the files of the data plane and with time.
 *
 * Everything runs on one thread: a request or a tick changes the model, its effects are done to the files at once, the state is stored, and
 * only then are files deleted and callers answered. A process killed anywhere in between finds at its next start every byte that it had
 * acknowledged: a created file may be one too many, a copied range may be copied again, a deletion may come late.
 */
import type { Logger } from '@couchestor/shared/logger';
import type { ClusterStore } from './adapters/cluster-store.ts';
import type { DataPlane, Verification } from './adapters/data-plane.ts';
import type { SimulatorClock } from './clock.ts';
import { advance } from './domain/advance.ts';
import type { Cluster, Effect, Volume } from './domain/cluster.ts';
import { handle } from './domain/handle.ts';
import { type Load, phaseAt } from './domain/load.ts';
import { nextFraction, type Random, seededRandom } from './domain/random.ts';
import type { Answer, ModelRequest } from './domain/request.ts';
import { blockBytes } from './domain/scenario.ts';

/** Progress of rebuilds is stored this often; everything else at once. */
const progressStoreMs = 500;
/** Operations that could not be done in time are not made up for beyond this: a paused process must not start with a flood. */
const loadBacklogMaxMs = 250;
const stepMs = 50;

export class Engine {
  readonly cluster: Cluster;
  readonly loads: Record<string, Load>;
  readonly #dataPlane: DataPlane;
  readonly #store: ClusterStore;
  readonly #clock: SimulatorClock;
  readonly #logger: Logger;
  readonly #random: Random;
  readonly #due = new Map<string, number>();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #storedRevision = -1;
  #storedAtMs = 0;
  #workedAtMs: number;

  constructor(deps: {
    cluster: Cluster;
    loads: Record<string, Load>;
    dataPlane: DataPlane;
    store: ClusterStore;
    clock: SimulatorClock;
    logger: Logger;
  }) {
    this.cluster = deps.cluster;
    this.loads = deps.loads;
    this.#dataPlane = deps.dataPlane;
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#random = seededRandom(deps.cluster.random.state);
    this.#workedAtMs = deps.cluster.nowMs;
  }

  /** A REST call. `never` where no answer is to come. */
  async call(request: ModelRequest): Promise<Answer | 'never'> {
    const outcome = handle(this.cluster, request, this.#clock.nowMs());
    if (outcome.status === 'later') {
      const answered = new Promise<Answer>((resolve) => this.#waiting.set(outcome.ticket, resolve));
      this.#settle(outcome.effects);
      return answered;
    }
    this.#settle(outcome.effects);
    return outcome.status === 'never' ? 'never' : outcome;
  }

  /** Something befalls the cluster. A refusal changes nothing. */
  change(befall: (nowMs: number) => Effect[]): void {
    this.#settle(befall(this.#clock.nowMs()));
  }

  setLoad(volume: Volume, load: Omit<Load, 'startedAtMs'>): void {
    this.loads[volume.uuid] = { ...load, startedAtMs: this.#clock.nowMs() };
    this.cluster.revision += 1;
    this.#settle([]);
  }

  /** Time passes up to the clock's present: what is due happens, and the load is worked off. */
  tick(): void {
    const nowMs = this.#clock.nowMs();
    this.#settle(advance(this.cluster, nowMs));
    const elapsedMs = Math.max(0, nowMs - this.#workedAtMs);
    this.#workedAtMs = nowMs;
    for (const volume of Object.values(this.cluster.volumes)) {
      this.#work(volume, nowMs, elapsedMs);
    }
  }

  /** Manual time: passes in steps, so that load and rebuilds interleave as they do by themselves. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= stepMs) {
      this.#clock.pass(Math.min(stepMs, left));
      this.tick();
    }
  }

  async verify(): Promise<Verification> {
    this.tick();
    const verification = await this.#dataPlane.verify(this.cluster, () => new Promise((resolve) => setImmediate(resolve)));
    for (const fault of verification.faults) {
      this.#logger.error({ fault }, 'verification found a wrong block');
    }
    return verification;
  }

  /** Does what a fresh cluster needs: its files, and the data that its volumes hold at the start. */
  begin(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.#dataPlane.apply(this.cluster, effect);
    }
    for (const volume of Object.values(this.cluster.volumes)) {
      this.#dataPlane.fill(this.cluster, volume, Math.floor(volume.allocatedBytes / blockBytes));
    }
    this.save();
  }

  save(): void {
    this.#store.save({ cluster: this.cluster, loads: this.loads });
    this.#storedRevision = this.cluster.revision;
    this.#storedAtMs = this.cluster.nowMs;
  }

  #settle(effects: readonly Effect[]): void {
    const deletions: Effect[] = [];
    for (const effect of effects) {
      if (effect.kind === 'replica-deleted' || effect.kind === 'volume-deleted') {
        deletions.push(effect);
      } else {
        this.#dataPlane.apply(this.cluster, effect);
      }
    }
    if (this.cluster.revision !== this.#storedRevision || this.cluster.nowMs - this.#storedAtMs >= progressStoreMs) {
      this.save();
    }
    for (const effect of deletions) {
      this.#dataPlane.apply(this.cluster, effect);
    }
    for (const effect of effects) {
      if (effect.kind === 'answered') {
        this.#waiting.get(effect.ticket)?.({ status: effect.status, body: effect.body, delayMs: 0 });
        this.#waiting.delete(effect.ticket);
      }
    }
  }

  #work(volume: Volume, nowMs: number, elapsedMs: number): void {
    const load = this.loads[volume.uuid];
    const phase = load === undefined ? undefined : phaseAt(load, nowMs);
    if (phase === undefined || phase.iops === 0 || !this.#dataPlane.isServing(this.cluster, volume)) {
      this.#due.delete(volume.uuid);
      return;
    }
    const owed = (this.#due.get(volume.uuid) ?? 0) + (phase.iops * elapsedMs) / 1_000;
    const operations = Math.floor(Math.min(owed, (phase.iops * loadBacklogMaxMs) / 1_000 + 1));
    this.#due.set(volume.uuid, Math.min(1, owed - operations));
    const blocks = volume.sizeBytes / blockBytes;
    for (let done = 0; done < operations; done += 1) {
      const block = Math.floor(nextFraction(this.#random) * blocks);
      if (nextFraction(this.#random) >= phase.readFraction) {
        this.#dataPlane.write(this.cluster, volume, block);
        continue;
      }
      const fault = this.#dataPlane.read(this.cluster, volume, block);
      if (fault !== undefined) {
        this.#logger.error({ fault }, 'a read found a wrong block');
      }
    }
    volume.allocatedBytes = this.#dataPlane.acknowledged(volume).bytes;
  }
}
