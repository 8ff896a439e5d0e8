import { type RawStoragePolicy, storagePolicies } from '@couchestor/shared/crds/resources';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import type { StoragePolicyStatus } from '@couchestor/shared/storage-policy';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, describe, expect, it } from 'vitest';
import { type StatusTimings, StatusWriter } from './status-writer.ts';

interface Patch {
  readonly metadata: { readonly resourceVersion: string };
  readonly status: StoragePolicyStatus;
}

let writer: StatusWriter<RawStoragePolicy> | undefined;

afterEach(async () => {
  await writer?.stop();
});

/** A store that stands still, as one does that has not heard of our patch yet. */
function writing(o: { answers?: Error[]; timings?: Partial<StatusTimings>; asking?: Promise<void> } = {}) {
  const object: RawStoragePolicy = { metadata: { name: 'gold', uid: 'u1', resourceVersion: '7', generation: 1 }, spec: {} };
  const store = new Map([['gold', object]]);
  const patches: Patch[] = [];
  const answers = [...(o.answers ?? [])];
  const world = { wanted: { phase: 'Active', watchedVolumes: 1 } as StoragePolicyStatus, looks: 0, store, object, patches };
  const api = {
    async mergePatch(_resource: unknown, _at: unknown, body: object) {
      patches.push(body as Patch);
      const failure = answers.shift();
      if (failure !== undefined) {
        throw failure;
      }
      const metadata = { ...object.metadata, resourceVersion: String(7 + patches.length) };
      return { ...object, metadata, status: { ...object.status, ...(body as Patch).status } } as never;
    },
  };
  writer = new StatusWriter({
    api,
    resource: storagePolicies,
    store,
    statusOf: async () => {
      world.looks += 1;
      await o.asking;
      return world.wanted;
    },
    now: () => 0,
    logger: quietLogger(),
    timings: { gapMs: 50, ...o.timings },
  });
  return world;
}

describe('the writer of a status', () => {
  it('writes what changed, for the object that it is about, and nothing more while the store lags behind', async () => {
    const world = writing({ timings: { gapMs: 0 } });
    const { patches } = world;
    writer?.look('gold');
    await waitUntil(() => patches.length === 1);
    expect(patches[0]).toEqual({ metadata: { resourceVersion: '7' }, status: { phase: 'Active', watchedVolumes: 1 } });
    writer?.look('gold');
    await waitUntil(() => world.looks === 2);
    writer?.look('gold');
    await waitUntil(() => world.looks === 3);
    await writer?.stop();
    expect(patches).toHaveLength(1);
  });

  it('writes the next change after a pause, with all that has changed by then', async () => {
    const world = writing();
    writer?.look('gold');
    await waitUntil(() => world.patches.length === 1);
    world.wanted = { ...world.wanted, watchedVolumes: 2 };
    writer?.look('gold');
    world.wanted = { ...world.wanted, watchedVolumes: 3 };
    await waitUntil(() => world.patches.length === 2);
    expect(world.patches[1]).toEqual({ metadata: { resourceVersion: '8' }, status: { watchedVolumes: 3 } });
  });

  it('tries again after a conflict', async () => {
    const { patches } = writing({ answers: [new KubeError('CONFLICT')] });
    writer?.look('gold');
    await waitUntil(() => patches.length === 2, { timeoutMs: 10_000 });
    expect(patches[1]).toEqual(patches[0]);
  });

  it.each(['NOT_FOUND', 'INVALID'] as const)('leaves it at %s until the next look', async (code) => {
    const { patches } = writing({ answers: [new KubeError(code)], timings: { gapMs: 0 } });
    writer?.look('gold');
    await waitUntil(() => patches.length === 1);
    writer?.look('gold');
    await waitUntil(() => patches.length === 2);
  });

  it('writes nothing once it was stopped, also where what to write is only known then', async () => {
    let answer: () => void = () => undefined;
    const asking = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const world = writing({ asking });
    writer?.look('gold');
    await waitUntil(() => world.looks === 1);
    const stopped = writer?.stop();
    answer();
    await stopped;
    expect(world.patches).toEqual([]);
  });

  it('looks at all objects, and knows no more of one that is gone and comes again', async () => {
    const world = writing({ timings: { gapMs: 60_000 } });
    writer?.lookAtAll();
    await waitUntil(() => world.patches.length === 1);
    world.store.delete('gold');
    writer?.lookAtAll();
    world.store.set('gold', world.object);
    writer?.lookAtAll();
    // At once and from what is there, as for an object that was never written.
    await waitUntil(() => world.patches.length === 2);
    expect(world.patches[1]).toEqual(world.patches[0]);
  });

  it('writes nothing into an object that is gone or being deleted', async () => {
    const { patches, store, object } = writing();
    store.set('gold', { ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-03-01T12:00:00Z' } });
    store.set('bronze', { ...object, metadata: { ...object.metadata, name: 'bronze', resourceVersion: '5' } });
    for (const name of ['gold', 'silver', 'bronze']) {
      writer?.look(name);
    }
    await waitUntil(() => patches.length > 0);
    await writer?.stop();
    expect(patches.map(({ metadata }) => metadata.resourceVersion)).toEqual(['5']);
  });
});
