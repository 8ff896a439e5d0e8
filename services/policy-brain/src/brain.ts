/** What the brain knows in one term. Handlers write it; nothing of it but what the ledger holds outlives the term, and nothing needs to. */
import type { PolicyView } from '@couchestor/shared/contracts/brain';
import type { VaultRecord } from '@couchestor/shared/contracts/vault-events';
import type { PolicySet } from './adapters/policy-source.ts';
import type { PreparedRound, RoundOutcome, Wishes } from './domain/decide-round.ts';
import type { Cluster, KnownVolume } from './domain/known-volume.ts';
import { type CompleteRound, noRounds, type WindowRounds } from './domain/samples.ts';
import { BrainError } from './errors.ts';

export class Brain {
  /** Its term of office. */
  readonly epoch: number;
  /** False once the term is over, also where that is not known yet for certain: then nothing is decided and answered any more. */
  readonly stillLeads: () => boolean;
  /** Undefined until the policies were read for the first time. */
  policySet: PolicySet | undefined;
  /** Sampling windows that are measured, in seconds. */
  windows: readonly number[] = [];
  /** Why the last reading of Mayastor failed; undefined where it did not. */
  mayastorProblem: string | undefined;
  /** Why policies and labels may not be decided on, by the last reading or since; undefined where they may. */
  catalogProblem: string | undefined;
  round: { readonly prepared: PreparedRound; readonly outcome: RoundOutcome } | undefined;
  /** Rounds since the start. */
  turn = 0;
  wishes: Wishes = new Map();
  /** Of the StoragePolicies, also of those that could not be read as one. */
  policyViews: readonly PolicyView[] = [];
  /** Of ErasureCodingPolicies that may not be used. */
  ecProblemViews: readonly PolicyView[] = [];

  /** As they told of themselves, by their ids. */
  vaults: ReadonlyMap<string, VaultRecord> = new Map();

  readonly #rounds = new Map<number, WindowRounds>();
  #cluster: Cluster | undefined;
  #volumes: ReadonlyMap<string, KnownVolume> = new Map();

  constructor(epoch: number, o: { stillLeads: () => boolean }) {
    this.epoch = epoch;
    this.stillLeads = o.stillLeads;
  }

  /** Asked immediately before everything that others see. */
  assertLeads(): void {
    if (!this.stillLeads()) {
      throw new BrainError('NOT_LEADING', { epoch: this.epoch });
    }
  }

  roundsOf(windowSeconds: number): WindowRounds {
    return this.#rounds.get(windowSeconds) ?? noRounds;
  }

  setRounds(windowSeconds: number, rounds: WindowRounds): void {
    this.#rounds.set(windowSeconds, rounds);
  }

  /** Forgets the samples of windows that are no longer measured. */
  dropUnusedRounds(): void {
    for (const windowSeconds of this.#rounds.keys()) {
      if (!this.windows.includes(windowSeconds)) {
        this.#rounds.delete(windowSeconds);
      }
    }
  }

  completeRounds(): ReadonlyMap<number, CompleteRound> {
    const complete = new Map<number, CompleteRound>();
    for (const [windowSeconds, rounds] of this.#rounds) {
      if (rounds.complete !== undefined) {
        complete.set(windowSeconds, rounds.complete);
      }
    }
    return complete;
  }

  /** As last read; undefined before the first reading. */
  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  setCluster(cluster: Cluster): void {
    this.#cluster = cluster;
    this.#volumes = new Map(cluster.volumes.map((volume) => [volume.id, volume]));
  }

  volume(id: string): KnownVolume | undefined {
    return this.#volumes.get(id);
  }
}
