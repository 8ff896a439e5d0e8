import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger, type Logger } from '../logger.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { FakeCluster, type Thing, things } from './cluster.fixture.ts';
import { KubeError } from './errors.ts';
import { Reflector } from './reflector.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Followed {
  readonly cluster: FakeCluster;
  readonly reflector: Reflector<Thing>;
  readonly registry: Registry;
  /** What a consumer that looks up each key it is told of would have. */
  readonly mirror: Map<string, Thing | 'invalid'>;
  readonly told: string[];
  /** Keys of which an older object was told after a newer one. */
  readonly wentBack: string[];
}

function follow(cluster: FakeCluster, o: { logger?: Logger; onTold?: (key: string) => void } = {}): Followed {
  const mirror = new Map<string, Thing | 'invalid'>();
  const told: string[] = [];
  const newest = new Map<string, number>();
  const wentBack: string[] = [];
  const registry = new Registry();
  const reflector: Reflector<Thing> = new Reflector({
    api: cluster.api,
    resource: things,
    logger: o.logger ?? quietLogger(),
    registry,
    onChange: (key) => {
      told.push(key);
      const object = reflector.invalid.has(key) ? 'invalid' : reflector.store.get(key);
      mirror.delete(key);
      if (object !== undefined) {
        mirror.set(key, object);
      }
      if (object !== undefined && object !== 'invalid') {
        const version = Number(object.metadata.resourceVersion);
        if (version < (newest.get(key) ?? 0)) {
          wentBack.push(key);
        }
        newest.set(key, version);
      }
      o.onTold?.(key);
    },
  });
  reflector.start();
  return { cluster, reflector, registry, mirror, told, wentBack };
}

const afterMs = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** The same from the server's, the store's and the consumer's point of view. */
function expectSame({ cluster, reflector, mirror, wentBack }: Followed): void {
  expect(wentBack).toEqual([]);
  const known = new Map<string, Thing | 'invalid'>(reflector.store);
  for (const key of reflector.invalid.keys()) {
    expect(known.has(key)).toBe(false);
    known.set(key, 'invalid');
  }
  const sorted = (map: ReadonlyMap<string, unknown>): unknown[] => [...map].sort(([a], [b]) => a.localeCompare(b));
  expect(sorted(known)).toEqual(sorted(cluster.objects));
  expect(sorted(mirror)).toEqual(sorted(cluster.objects));
}

describe('Reflector', () => {
  it('lists, says so, and follows what changes', async () => {
    const cluster = new FakeCluster();
    cluster.put('a', 1);
    cluster.put('b', 'invalid');
    const followed = follow(cluster);
    const { reflector } = followed;
    expect([reflector.hasSynced, reflector.problem]).toEqual([false, 'not listed yet']);
    await reflector.synced;
    await afterMs(0);
    expect([reflector.hasSynced, reflector.problem]).toEqual([true, undefined]);
    expect([...reflector.invalid]).toEqual([['b', 'bad']]);

    cluster.put('a', 2);
    cluster.put('b', 3);
    cluster.put('c', 4);
    cluster.remove('c');
    await afterMs(0);
    expectSame(followed);
    expect(followed.told).toEqual(['a', 'b', 'a', 'b', 'c', 'c']);
    expect(cluster.lists).toBe(1);
    await reflector.stop();
    expect(reflector.problem).toBe('stopped');
  });

  it('waits for an API server that is not there, ever longer, and tells why', async () => {
    const cluster = new FakeCluster();
    cluster.failures.push(...Array.from({ length: 12 }, () => new KubeError('UNREACHABLE', { path: '/things' })));
    const { reflector } = follow(cluster);
    await afterMs(1);
    expect(reflector.problem).toContain('KUBE_UNREACHABLE');
    await afterMs(60_000);
    // 0.8, 1.6, 3.2, 6.4, 12.8, 25.6 and then 30 s, each between half and the whole.
    expect(cluster.lists).toBeGreaterThanOrEqual(6);
    expect(cluster.lists).toBeLessThanOrEqual(8);
    await afterMs(300_000);
    expect(reflector.hasSynced).toBe(true);
    expect(reflector.problem).toBeUndefined();
    await reflector.stop();
  });

  it('goes on from the last version after a broken or silent watch, without a new list', async () => {
    const cluster = new FakeCluster();
    const followed = follow(cluster);
    await afterMs(60_000);
    for (const code of ['UNREACHABLE', 'TIMED_OUT'] as const) {
      cluster.cut(new KubeError(code));
      await afterMs(0);
      expect(followed.reflector.problem).toContain(code);
      cluster.put(code, 1);
      await afterMs(800);
      expect(followed.reflector.problem).toBeUndefined();
      expectSame(followed);
      await afterMs(60_000);
    }
    expect(cluster.lists).toBe(1);
    expect(await followed.registry.getSingleMetricAsString('couchestor_kubernetes_watches_total')).toMatch(
      /ended="broken"} 1\n.*ended="silent"} 1/,
    );
    await followed.reflector.stop();
  });

  it('lists again when its version is gone, and tells of what was deleted meanwhile', async () => {
    const cluster = new FakeCluster();
    cluster.put('a', 1);
    cluster.put('b', 1);
    const followed = follow(cluster);
    await afterMs(60_000);
    cluster.cut(new KubeError('UNREACHABLE'));
    cluster.remove('a');
    cluster.put('b', 2);
    cluster.compact();
    await afterMs(5_000);
    expectSame(followed);
    expect(cluster.lists).toBe(2);
    expect(followed.told).toEqual(['a', 'b', 'b', 'a']);
    expect(await followed.registry.getSingleMetricAsString('couchestor_kubernetes_lists_total')).toContain('reason="gone"} 1');
    await followed.reflector.stop();
  });

  it.each([
    ['goes on without a new list where a bookmark has kept its version young', true, 1],
    ['lists again where no bookmark has', false, 2],
  ])('%s', async (_, hasBookmark, lists) => {
    const cluster = new FakeCluster();
    const { reflector } = follow(cluster);
    await afterMs(60_000);
    cluster.changeElsewhere();
    if (hasBookmark) {
      cluster.bookmark();
      await afterMs(0);
    }
    cluster.compact();
    cluster.cut(new KubeError('UNREACHABLE'));
    await afterMs(60_000);
    expect(cluster.lists).toBe(lists);
    expect(reflector.problem).toBeUndefined();
    await reflector.stop();
  });

  it('lists again where the API server makes no sense from its version on', async () => {
    const cluster = new FakeCluster();
    const { reflector } = follow(cluster);
    await afterMs(60_000);
    cluster.cut(new KubeError('INVALID_ANSWER'));
    await afterMs(1_000);
    expect(cluster.lists).toBe(2);
    await reflector.stop();
  });

  it('waits as long as it is told to, where that is longer', async () => {
    const cluster = new FakeCluster();
    cluster.failures.push(new KubeError('THROTTLED', { retryAfterMs: 20_000 }));
    const { reflector } = follow(cluster);
    await afterMs(19_999);
    expect(cluster.lists).toBe(1);
    await afterMs(1);
    expect(cluster.lists).toBe(2);
    await reflector.stop();
  });

  it('asks an API server that ends every watch at once no more than twice a minute or so', async () => {
    const cluster = new FakeCluster();
    cluster.endsWatches = true;
    const { reflector } = follow(cluster);
    await afterMs(3_600_000);
    // Waits of 15 to 30 s, and a few short ones at first.
    expect(cluster.watches).toBeGreaterThan(100);
    expect(cluster.watches).toBeLessThan(260);
    expect(cluster.lists).toBeLessThanOrEqual(5);
    expect(reflector.problem).toContain('ends the watch at once');
    await reflector.stop();
  });

  it('makes in a quiet hour a watch every 4 to 8 minutes and a list every quarter', async () => {
    const cluster = new FakeCluster();
    const { reflector, told } = follow(cluster);
    await afterMs(3_600_000);
    expect(cluster.watches).toBeGreaterThanOrEqual(7);
    expect(cluster.watches).toBeLessThanOrEqual(15);
    expect(cluster.lists).toBeGreaterThanOrEqual(3);
    expect(cluster.lists).toBeLessThanOrEqual(4);
    expect(told).toEqual([]);
    await reflector.stop();
  });

  it('logs what onChange throws, and goes on', async () => {
    const lines: string[] = [];
    const logger = createLogger({ name: 'test', level: 'error', json: true, to: { write: (line) => void lines.push(line) } });
    const cluster = new FakeCluster();
    cluster.put('a', 1);
    const onTold = (key: string): void => {
      throw new TypeError(`no ${key}`);
    };
    const followed = follow(cluster, { logger, onTold });
    await afterMs(0);
    cluster.put('b', 2);
    await afterMs(0);
    expectSame(followed);
    expect(lines.map((line) => JSON.parse(line).err.message)).toEqual(['no a', 'no b']);
    await followed.reflector.stop();
  });

  it('stops at once, whatever it is at', async () => {
    for (const failure of [undefined, new KubeError('UNREACHABLE')]) {
      const cluster = new FakeCluster();
      cluster.failures.push(...(failure === undefined ? [] : [failure]));
      const { reflector } = follow(cluster);
      await afterMs(1);
      await reflector.stop();
      const { lists, watches } = cluster;
      await afterMs(3_600_000);
      expect([cluster.lists, cluster.watches]).toEqual([lists, watches]);
    }
  });

  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(
    fc.record({
      do: fc.constant('put' as const),
      name,
      size: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, fc.constant('invalid' as const)),
    }),
    fc.record({ do: fc.constant('remove' as const), name }),
    fc.record({ do: fc.constantFrom('end' as const, 'compact' as const, 'bookmark' as const, 'elsewhere' as const) }),
    fc.record({
      do: fc.constantFrom('cut' as const, 'fail' as const),
      code: fc.constantFrom('UNREACHABLE', 'TIMED_OUT', 'GONE', 'SERVER_ERROR', 'INVALID_ANSWER', 'THROTTLED'),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 500, 40_000, 1_200_000) }),
  );

  it('ends with what the API server has, whatever happens in whatever order, and has told of all of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const cluster = new FakeCluster();
        cluster.put('a', 1);
        const followed = follow(cluster);
        for (const taken of steps) {
          switch (taken.do) {
            case 'put':
              cluster.put(taken.name, taken.size);
              break;
            case 'remove':
              cluster.remove(taken.name);
              break;
            case 'cut':
              cluster.cut(new KubeError(taken.code as 'GONE'));
              break;
            case 'fail':
              cluster.failures.push(new KubeError(taken.code as 'GONE'));
              break;
            case 'end':
              cluster.cut();
              break;
            case 'compact':
              cluster.compact();
              break;
            case 'elsewhere':
              cluster.changeElsewhere();
              break;
            case 'bookmark':
              cluster.bookmark();
              break;
            case 'wait':
              await afterMs(taken.ms);
          }
        }
        await afterMs(2 * 3_600_000);
        expectSame(followed);
        expect(followed.reflector.problem).toBeUndefined();
        await followed.reflector.stop();
      }),
      { numRuns: 200 },
    );
  });
});
