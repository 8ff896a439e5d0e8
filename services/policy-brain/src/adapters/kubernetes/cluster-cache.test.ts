import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import { diskPools } from '@couchestor/shared/kubernetes/objects';
import type { Resource } from '@couchestor/shared/kubernetes/resource';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, describe, expect, it } from 'vitest';
import { type CacheTimings, ClusterCache } from './cluster-cache.ts';

let cache: ClusterCache;

afterEach(async () => {
  await cache.stop();
});

/** An API server of which only DiskPools can be other than empty: each pool has its version as a label. */
class Server {
  served: string[];
  /** How often it was asked what is served. */
  asked = 0;
  /** Ends the watches of what is served no longer. */
  #changed = new AbortController();

  constructor(served: string[]) {
    this.served = served;
  }

  serve(served: string[]): void {
    this.served = served;
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  get api(): KubeApi {
    const api = {
      raw: async () => {
        this.asked += 1;
        if (this.served.length === 0) {
          throw new KubeError('NOT_FOUND');
        }
        return { versions: this.served.map((version) => ({ version })) };
      },
      list: async (resource: Resource<unknown>) => {
        this.#assertServed(resource);
        const { version } = resource;
        const labels = { version };
        const pool = { metadata: { name: 'pool-1', namespace: 'openebs', uid: 'u', resourceVersion: version, labels }, spec: {} };
        return { items: resource.plural === diskPools.plural ? [pool] : [], invalid: [], resourceVersion: '1' };
      },
      watch: (resource: Resource<unknown>, o: { signal: AbortSignal; onOpen: () => void }) => this.#watch(resource, o),
    };
    return api as unknown as KubeApi;
  }

  /** Nothing comes in it. */
  async *#watch(resource: Resource<unknown>, o: { signal: AbortSignal; onOpen: () => void }) {
    this.#assertServed(resource);
    o.onOpen();
    const ended = AbortSignal.any([o.signal, this.#changed.signal]);
    await new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }));
    this.#assertServed(resource);
  }

  #assertServed({ plural, version }: Resource<unknown>): void {
    if (plural === diskPools.plural && !this.served.includes(version)) {
      throw new KubeError('NOT_FOUND');
    }
  }
}

function follow(server: Server, timings: Partial<CacheTimings> = {}): { problems: (string | undefined)[] } {
  const reflector = { firstMs: 10, longestMs: 50 };
  const quick = { graceMs: 5_000, lookIntervalMs: 10, diskPoolsIntervalMs: 50, reflector };
  cache = new ClusterCache({ api: server.api, logger: quietLogger(), timings: { ...quick, ...timings } });
  const problems: (string | undefined)[] = [];
  cache.onReadable(() => problems.push(cache.problem));
  cache.start();
  return { problems };
}

const versionNow = () => cache.diskPools.get('openebs/pool-1')?.metadata.labels?.['version'];

describe('what is read from Kubernetes', () => {
  it('may be decided on as soon as everything was read', async () => {
    const { problems } = follow(new Server(['v1beta3']), { lookIntervalMs: 60_000 });
    await waitUntil(() => cache.problem === undefined, { what: 'everything to be read' });
    expect(problems).toEqual([undefined]);
  });

  it.each([
    ['v1beta2', 'v1beta3'],
    ['v1beta3', 'v1beta2'],
  ])('goes on when DiskPools change from %s to %s', async (first, second) => {
    const server = new Server([first]);
    const { problems } = follow(server);
    await waitUntil(() => versionNow() === first && cache.problem === undefined, { what: 'the first version' });
    server.serve([second]);
    await waitUntil(() => versionNow() === second, { what: 'the second version' });
    expect(problems).toEqual([undefined]);
  });

  it('asks at once which version is served where the one that is followed is not there any more', async () => {
    const server = new Server(['v1beta3']);
    follow(server, { diskPoolsIntervalMs: 600_000 });
    await waitUntil(() => versionNow() === 'v1beta3', { what: 'the first version' });
    server.serve(['v1beta2']);
    await waitUntil(() => versionNow() === 'v1beta2', { what: 'the second version', timeoutMs: 10_000 });
  }, 15_000);

  it('keeps what was read of DiskPools for the grace once none are served, and then goes on without any', async () => {
    const server = new Server(['v1beta3']);
    const { problems } = follow(server, { graceMs: 400 });
    await waitUntil(() => cache.problem === undefined && versionNow() !== undefined, { what: 'the pools' });
    server.serve([]);
    await waitUntil(() => cache.diskPools.size === 0, { what: 'the end of the pools' });
    await waitUntil(() => cache.problem === undefined, { what: 'the brain to go on' });
    // Nothing was decided without labels before it was certain that there are none.
    expect(problems.filter((problem) => problem !== undefined).every((problem) => /DiskPools/.test(problem))).toBe(true);
    server.serve(['v1beta2']);
    await waitUntil(() => versionNow() === 'v1beta2' && cache.problem === undefined, { what: 'the pools of another Mayastor' });
  });

  it('believes no API server at once that says that it has no DiskPools any more', async () => {
    const server = new Server(['v1beta3']);
    const { problems } = follow(server);
    await waitUntil(() => cache.problem === undefined && versionNow() !== undefined, { what: 'the pools' });
    server.serve([]);
    const asked = server.asked;
    await waitUntil(() => server.asked >= asked + 3, { what: 'the brain to be told so time and again' });
    expect(versionNow()).toBe('v1beta3');
    server.serve(['v1beta3']);
    await waitUntil(() => versionNow() === 'v1beta3');
    expect(problems).toEqual([undefined]);
  });
});
