/** Answers `brain.list-volumes`: volumes in the order of their ids, by pages that fit into one message. */
import type { listVolumes, VolumeView } from '@couchestor/shared/contracts/brain';
import type { z } from 'zod';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import type { Cluster, KnownVolume } from '../domain/known-volume.ts';
import { BrainError } from '../errors.ts';
import { viewVolume } from './view-volume.ts';

/** NATS takes 1 MiB, and the envelope and the next volume need room too. */
const pageBytesMax = 768 * 1024;

export function answerListVolumes(deps: { brain: Brain; ledger: LedgerStore }) {
  /** Of the newest reading, so that paging through many volumes sorts them once. */
  let sorted: { readonly of: Cluster; readonly volumes: readonly KnownVolume[] } | undefined;
  return async ({ after, limit }: z.infer<typeof listVolumes.request>): Promise<z.infer<typeof listVolumes.response>> => {
    const { cluster } = deps.brain;
    if (cluster === undefined) {
      throw new BrainError('NOT_READY', deps.brain.mayastorProblem === undefined ? {} : { problem: deps.brain.mayastorProblem });
    }
    if (sorted?.of !== cluster) {
      sorted = { of: cluster, volumes: [...cluster.volumes].sort((left, right) => (left.id < right.id ? -1 : 1)) };
    }
    const { volumes } = sorted;
    const start = after === undefined ? 0 : firstAfter(volumes, after);
    const page: VolumeView[] = [];
    let bytes = 0;
    for (const volume of volumes.slice(start, start + limit)) {
      const view = viewVolume(deps, volume);
      bytes += Buffer.byteLength(JSON.stringify(view));
      if (bytes > pageBytesMax) {
        break;
      }
      page.push(view);
    }
    const last = page.at(-1);
    return { volumes: page, ...(last !== undefined && start + page.length < volumes.length ? { next: last.volumeId } : {}) };
  };
}

function firstAfter(volumes: readonly KnownVolume[], after: string): number {
  let low = 0;
  let high = volumes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((volumes[middle]?.id ?? '') <= after) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
