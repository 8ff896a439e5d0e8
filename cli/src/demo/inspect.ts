/** What the cluster looks like once the demonstration is over, through Mayastor's API and the simulator's own verification. */
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { Volume } from '@couchestor/shared/mayastor/schema';
import { verifyAllBytes } from '../client/simulator-admin.ts';
import { leftoverMarks } from './marks.ts';
import type { Findings } from './verdict.ts';

const requestTimeoutMs = 5_000;
const verifyTimeoutMs = 60_000;

/** num_replicas of each volume, by its id. */
export type ReplicaCounts = ReadonlyMap<string, number>;

export function replicaCounts(mayastorUrl: string): Promise<ReplicaCounts> {
  return withMayastor(
    mayastorUrl,
    async (mayastor) => new Map((await mayastor.listVolumes()).map(({ spec }) => [spec.uuid, spec.num_replicas])),
  );
}

export async function inspect(o: {
  mayastorUrl: string;
  adminUrl: string;
  atStart: ReplicaCounts;
}): Promise<Findings & { readonly faults: readonly string[] }> {
  const [verification, leftovers] = await Promise.all([
    verifyAllBytes({ adminUrl: o.adminUrl, timeoutMs: verifyTimeoutMs }),
    withMayastor(o.mayastorUrl, async (mayastor) => {
      const [volumes, pools, nodes] = await Promise.all([mayastor.listVolumes(), mayastor.listPools(), mayastor.listNodes()]);
      return [...changedCounts(volumes, o.atStart), ...leftoverMarks({ pools, nodes })];
    }),
  ]);
  const { bytesVerified, corrupt, corruptReads, underReplicatedMs, faults } = verification;
  return { bytesVerified, corrupt: corrupt + corruptReads, underReplicatedMs: Math.round(underReplicatedMs), leftovers, faults };
}

export function changedCounts(volumes: readonly Pick<Volume, 'spec'>[], atStart: ReplicaCounts): string[] {
  const now = new Map(volumes.map(({ spec }) => [spec.uuid, spec.num_replicas]));
  return [...atStart].flatMap(([id, count]) =>
    now.get(id) === count ? [] : [`volume ${id} has num_replicas ${now.get(id) ?? 'no more'}, and began with ${count}`],
  );
}

async function withMayastor<T>(url: string, use: (mayastor: MayastorClient) => Promise<T>): Promise<T> {
  const mayastor = new MayastorClient({ url, requestTimeoutMs });
  try {
    return await use(mayastor);
  } finally {
    await mayastor.close();
  }
}
