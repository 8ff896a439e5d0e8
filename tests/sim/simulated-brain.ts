/** The brain's own rules behind the question of whether a move still stands, on policies that change. */
import { activatePolicy } from '@couchestor/policy-brain/domain/active-policy';
import type { CompleteRound } from '@couchestor/policy-brain/domain/samples';
import { standingOf } from '@couchestor/policy-brain/domain/standing';
import {
  clusterWith,
  decide,
  limits,
  measured,
  policyOf,
  roundOf,
  volumeOf,
  windowSeconds,
} from '@couchestor/policy-brain/testing/fixtures';
import { moveStanding } from '@couchestor/shared/contracts/brain';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import type { StoragePolicy, StoragePolicySpec } from '@couchestor/shared/storage-policy';
import type { MemoryBroker } from './memory-broker.ts';

export class SimulatedBrain {
  #policies: readonly StoragePolicy[];
  #rounds: ReadonlyMap<number, CompleteRound>;
  readonly #broker: MemoryBroker;
  readonly #request: MoveRequest;

  /** The policy is the one that the request names, and the load is the one that triggered it. */
  constructor(broker: MemoryBroker, request: MoveRequest) {
    this.#broker = broker;
    this.#request = request;
    this.#policies = [{ ...policyOf(request.policy.name), uid: request.policy.uid, generation: request.policy.generation }];
    this.#rounds = new Map([[windowSeconds, roundOf([measured(request.triggerIops, { id: request.volumeId })])]]);
    this.answer();
  }

  answer(): void {
    const windows = new Set([windowSeconds]);
    this.#broker.answer(moveStanding, () => {
      const [volume] = clusterWith([volumeOf({ id: this.#request.volumeId })]).volumes;
      return standingOf(this.#request, { policies: this.#policies.map((policy) => activatePolicy(policy, { limits, windows })), volume });
    });
  }

  fallSilent(): void {
    this.#broker.silence(moveStanding);
  }

  changePolicy(spec: Partial<StoragePolicySpec>): void {
    this.#policies = this.#policies.map((policy) => ({ ...policy, generation: policy.generation + 1, spec: { ...policy.spec, ...spec } }));
  }

  deletePolicy(): void {
    this.#policies = [];
  }

  /** What nobody has measured never arrives. */
  loseMeasurements(): void {
    this.#rounds = new Map();
  }

  /** What it decides on the volume now, had it no move. */
  decision() {
    return decide({ policies: this.#policies, rounds: this.#rounds, volume: volumeOf({ id: this.#request.volumeId }) }).decision;
  }
}
