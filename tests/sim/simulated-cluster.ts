/** The model of Mayastor behind the real client, in virtual time. */

import { advance } from '@couchestor/mayastor-simulator/domain/advance';
import type { Cluster } from '@couchestor/mayastor-simulator/domain/cluster';
import { createCluster } from '@couchestor/mayastor-simulator/domain/create-cluster';
import { handle } from '@couchestor/mayastor-simulator/domain/handle';
import { type ScenarioInput, scenarioSchema } from '@couchestor/mayastor-simulator/domain/scenario';
import { syncedReplicas } from '@couchestor/mayastor-simulator/domain/status';
import { noOutcome } from '@couchestor/shared/mayastor/answer';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { VirtualTime } from './virtual-time.ts';

export const callTimeoutMs = 2_000;

export class SimulatedCluster {
  readonly model: Cluster;
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
        const [path = '', query = ''] = `/v0${call.path}`.split('?');
        const request = {
          method: call.method,
          path: decodeURIComponent(path),
          query: Object.fromEntries(new URLSearchParams(query)),
          body,
        };
        const outcome = handle(this.model, request, this.#time.now());
        this.assertSafe(`${call.method} ${call.path}`);
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
    advance(this.model, this.#time.now());
  }

  /** S2: with nothing broken, no volume ever has fewer synced replicas than at the start. */
  assertSafe(after: string): void {
    for (const volume of Object.values(this.model.volumes)) {
      const synced = syncedReplicas(this.model, volume).length;
      if (volume.nexus !== undefined && synced < volume.replicasFloor) {
        throw new Error(`${after} left volume ${volume.uuid} with ${synced} synced replicas of ${volume.replicasFloor}`);
      }
    }
  }
}
