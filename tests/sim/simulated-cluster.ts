/** The model of Mayastor behind the real client, in virtual time. */

import { advance } from '@couchestor/mayastor-simulator/domain/advance';
import type { Cluster } from '@couchestor/mayastor-simulator/domain/cluster';
import { createCluster } from '@couchestor/mayastor-simulator/domain/create-cluster';
import { handle } from '@couchestor/mayastor-simulator/domain/handle';
import { type ScenarioInput, scenarioSchema } from '@couchestor/mayastor-simulator/domain/scenario';
import { syncedReplicas } from '@couchestor/mayastor-simulator/domain/status';
import { noOutcome, transportError } from '@couchestor/shared/mayastor/answer';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { VirtualTime } from './virtual-time.ts';

export const callTimeoutMs = 2_000;

export class SimulatedCluster {
  readonly model: Cluster;
  /** False: nobody can connect to the control plane. */
  reachable = true;
  /** Every time that S2 was broken. */
  readonly breaches: string[] = [];
  readonly #time: VirtualTime;

  constructor(o: { scenario: ScenarioInput; seed: number; time: VirtualTime }) {
    this.model = createCluster(scenarioSchema.parse(o.scenario), o.seed, o.time.now()).cluster;
    this.#time = o.time;
  }

  /** The client of one process. `step` is awaited around each call: there the process may die. */
  client(step: () => Promise<void>): MayastorClient {
    return new MayastorClient({
      url: 'http://mayastor.invalid',
      requestTimeoutMs: callTimeoutMs,
      exchange: async (call, body) => {
        await step();
        if (!this.reachable) {
          throw transportError(call, Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }));
        }
        const request = requestOf(call.method, call.path, body);
        const outcome = this.#watched(`${call.method} ${call.path}`, () => handle(this.model, request, this.#time.now()));
        if (outcome.status === 'never' || outcome.status === 'later' || outcome.delayMs > callTimeoutMs) {
          await this.#time.sleep(callTimeoutMs);
          throw noOutcome(call, { problem: 'no answer in time' });
        }
        await this.#time.sleep(outcome.delayMs + 1);
        await step();
        return { status: outcome.status, body: outcome.body === undefined ? '' : JSON.stringify(outcome.body) };
      },
    });
  }

  /** Whatever happened by itself until now has happened. */
  catchUp(): void {
    this.#watched('a late call', () => advance(this.model, this.#time.now()));
  }

  /** Something that is not ours to do: a mishap, a person, another program. */
  befall(what: (model: Cluster, nowMs: number) => unknown): void {
    this.catchUp();
    what(this.model, this.#time.now());
  }

  /** A call to Mayastor's API by somebody else. */
  call(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): { status: number | 'later' | 'never' } {
    this.catchUp();
    return handle(this.model, requestOf(method, path, body), this.#time.now());
  }

  /** S2: whatever a call of ours does, at once or late, it leaves no volume with fewer synced replicas than at the start. */
  #watched<T>(name: string, act: () => T): T {
    const synced = () => Object.values(this.model.volumes).map((volume) => ({ volume, synced: syncedReplicas(this.model, volume).length }));
    const before = new Map(synced().map((one) => [one.volume.uuid, one.synced]));
    const result = act();
    for (const { volume, synced: left } of synced()) {
      if (left < volume.replicasFloor && left < (before.get(volume.uuid) ?? left)) {
        this.breaches.push(`${name} left volume ${volume.uuid} with ${left} synced replicas of ${volume.replicasFloor}`);
      }
    }
    return result;
  }
}

function requestOf(method: 'GET' | 'PUT' | 'DELETE', pathAndQuery: string, body: unknown) {
  const [path = '', query = ''] = `/v0${pathAndQuery}`.split('?');
  return { method, path: decodeURIComponent(path), query: Object.fromEntries(new URLSearchParams(query)), body };
}
