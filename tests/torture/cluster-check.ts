/** What the cluster looks like from outside, and what of it must be as it was at the start. */
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { nodeCordonLabels, poolCordonedForReplicas, poolLabels } from '@couchestor/shared/mayastor/read';
import { z } from 'zod';

const verificationSchema = z.object({
  bytesVerified: z.number(),
  corrupt: z.number(),
  corruptReads: z.number(),
  underReplicatedMs: z.number(),
  operations: z.number(),
});
export type Verification = z.infer<typeof verificationSchema>;

export interface ClusterPicture {
  readonly numReplicas: Readonly<Record<string, number>>;
  readonly poolLabels: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly cordonedPools: readonly string[];
  readonly nodeCordons: Readonly<Record<string, readonly string[]>>;
}

export class ClusterCheck {
  readonly #mayastor: MayastorClient;
  readonly #adminUrl: string;

  constructor(o: { mayastorUrl: string; adminUrl: string }) {
    this.#mayastor = new MayastorClient({ url: o.mayastorUrl, requestTimeoutMs: 5_000 });
    this.#adminUrl = o.adminUrl;
  }

  async picture(): Promise<ClusterPicture> {
    const [volumes, pools, nodes] = await Promise.all([
      this.#mayastor.listVolumes(),
      this.#mayastor.listPools(),
      this.#mayastor.listNodes(),
    ]);
    return {
      numReplicas: Object.fromEntries(volumes.map(({ spec }) => [spec.uuid, spec.num_replicas])),
      poolLabels: Object.fromEntries(pools.map((pool) => [pool.id, poolLabels(pool)])),
      cordonedPools: pools.filter(poolCordonedForReplicas).map(({ id }) => id),
      nodeCordons: Object.fromEntries(nodes.map((node) => [node.id, nodeCordonLabels(node)])),
    };
  }

  /** Compares every byte of every synced replica with what was acknowledged. */
  async verify(): Promise<Verification> {
    return verificationSchema.parse(await this.#admin('POST', '/verify'));
  }

  async setLoad(volume: string, iops: number): Promise<void> {
    await this.#admin('PUT', `/volumes/${volume}/load`, { load: [{ forSeconds: 60, iops, readFraction: 0.5 }] });
  }

  async faultReplica(volume: string, replica: string): Promise<void> {
    await this.#admin('POST', `/volumes/${volume}/fault-replica`, { replica, forGood: true });
  }

  /** Holds every reading of the pools back a little, so that no step is over before it can be hit. */
  async slowDown(delayMs: number): Promise<void> {
    await this.#admin('POST', '/faults', { match: { method: 'GET', pathPattern: '/v0/pools' }, times: 1_000_000, delayMs });
  }

  async clearFaults(): Promise<void> {
    await this.#admin('DELETE', '/faults');
  }

  close(): Promise<void> {
    return this.#mayastor.close();
  }

  async #admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.#adminUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (!answer.ok) {
      throw new Error(`${method} ${path} of the simulator was answered with ${answer.status}: ${await answer.text()}`);
    }
    return answer.json();
  }
}

/** What differs between two pictures, in words. */
export function differences(before: ClusterPicture, after: ClusterPicture): string[] {
  return (Object.keys(before) as (keyof ClusterPicture)[]).flatMap((what) => {
    const [was, is] = [JSON.stringify(sorted(before[what])), JSON.stringify(sorted(after[what]))];
    return was === is ? [] : [`${what}: was ${was}, is ${is}`];
  });
}

function sorted(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([left], [right]) => (left < right ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)]),
      )
    : value;
}
