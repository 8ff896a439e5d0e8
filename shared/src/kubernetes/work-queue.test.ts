import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { quietLogger } from '../testing/quiet-logger.ts';
import { WorkQueue } from './work-queue.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const afterMs = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

interface Begun {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly atMs: number;
  done(): void;
  fail(): void;
}

/** A queue whose work goes on until the test ends it. */
function queueByHand(o: { concurrency?: number; keysMax?: number; registry?: Registry } = {}): { queue: WorkQueue; begun: Begun[] } {
  const begun: Begun[] = [];
  const startedAt = performance.now();
  const queue = new WorkQueue({
    name: 'test',
    logger: quietLogger(),
    backoff: { firstMs: 1_000, longestMs: 8_000 },
    random: () => 1,
    handle: (key, signal) =>
      new Promise((resolve, reject) => {
        begun.push({
          key,
          signal,
          atMs: performance.now() - startedAt,
          done: resolve,
          fail: () => reject(new TypeError('as the test wants')),
        });
      }),
    ...o,
  });
  return { queue, begun };
}

const keysOf = (begun: readonly Begun[]): string[] => begun.map(({ key }) => key);

describe('WorkQueue', () => {
  it('works on keys in order, as many at a time as it may, and on each once however often it was added', async () => {
    const { queue, begun } = queueByHand({ concurrency: 2 });
    for (const key of ['a', 'b', 'c', 'a', 'c', 'c']) {
      expect(queue.add(key)).toBe(true);
    }
    await afterMs(0);
    expect(keysOf(begun)).toEqual(['a', 'b']);
    expect(queue.size).toBe(3);
    begun[1]?.done();
    await afterMs(0);
    expect(keysOf(begun)).toEqual(['a', 'b', 'c']);
  });

  it('runs a key once more, and not beside itself, when it is added while it is worked on', async () => {
    const { queue, begun } = queueByHand({ concurrency: 2 });
    queue.add('a');
    await afterMs(0);
    queue.add('a');
    queue.add('a');
    await afterMs(1_000);
    expect(keysOf(begun)).toEqual(['a']);
    begun[0]?.done();
    await afterMs(0);
    expect(keysOf(begun)).toEqual(['a', 'a']);
    begun[1]?.done();
    await afterMs(60_000);
    expect(begun).toHaveLength(2);
    expect(queue.size).toBe(0);
  });

  it('brings back what fails after ever longer waits, which a success ends', async () => {
    const { queue, begun } = queueByHand();
    queue.add('a');
    for (let failures = 0; failures < 6; failures += 1) {
      await afterMs(10_000);
      begun.at(-1)?.fail();
    }
    await afterMs(10_000);
    begun.at(-1)?.done();
    const waits = (): number[] => begun.slice(1).map(({ atMs }) => atMs % 10_000);
    expect(waits()).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    queue.add('a');
    await afterMs(10_000);
    begun.at(-1)?.fail();
    await afterMs(10_000);
    expect(waits().at(-1)).toBe(1_000);
  });

  it('leaves a key in its back-off, however often it is added, and lets others pass', async () => {
    const { queue, begun } = queueByHand();
    queue.add('a');
    await afterMs(0);
    begun[0]?.fail();
    await afterMs(0);
    queue.add('a');
    queue.addAfter('a', 1);
    queue.add('b');
    await afterMs(999);
    expect(keysOf(begun)).toEqual(['a', 'b']);
    begun[1]?.done();
    await afterMs(1);
    expect(keysOf(begun)).toEqual(['a', 'b', 'a']);
  });

  it('holds back a key that fails, also where it asked to come again sooner while it was worked on', async () => {
    const { queue, begun } = queueByHand();
    queue.add('a');
    await afterMs(0);
    queue.addAfter('a', 100);
    begun[0]?.fail();
    await afterMs(999);
    expect(begun).toHaveLength(1);
    await afterMs(1);
    expect(begun).toHaveLength(2);
  });

  it('takes the earliest of several times for a key', async () => {
    const { queue, begun } = queueByHand();
    queue.addAfter('a', 5_000);
    queue.addAfter('a', 2_000);
    queue.addAfter('a', 9_000);
    await afterMs(1_999);
    expect(begun).toHaveLength(0);
    await afterMs(1);
    expect(begun).toHaveLength(1);
    begun[0]?.done();
    await afterMs(60_000);
    expect(begun).toHaveLength(1);
    queue.addAfter('a', 5_000);
    queue.add('a');
    await afterMs(0);
    begun[1]?.done();
    await afterMs(60_000);
    expect(begun).toHaveLength(2);
  });

  it('refuses keys above its limit, and takes them again when there is room', async () => {
    const { queue, begun } = queueByHand({ keysMax: 2 });
    expect([queue.add('a'), queue.add('b'), queue.add('c'), queue.addAfter('d', 1), queue.add('a')]).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    await afterMs(0);
    begun[0]?.done();
    await afterMs(0);
    begun[1]?.done();
    await afterMs(0);
    begun[2]?.done();
    await afterMs(0);
    expect(queue.add('c')).toBe(true);
  });

  it('stops: takes nothing more, aborts what is in hand and waits for it', async () => {
    const registry = new Registry();
    const { queue, begun } = queueByHand({ registry });
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1_000);
    await afterMs(0);
    let stopped = false;
    const stopping = queue.stop().then(() => {
      stopped = true;
    });
    await afterMs(0);
    expect([stopped, begun[0]?.signal.aborted]).toEqual([false, true]);
    begun[0]?.fail();
    await stopping;
    expect(queue.add('d')).toBe(false);
    await afterMs(60_000);
    expect(keysOf(begun)).toEqual(['a']);
  });

  it('counts what it did', async () => {
    const registry = new Registry();
    const { queue, begun } = queueByHand({ registry });
    queue.add('a');
    queue.add('b');
    await afterMs(0);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_queued')).toContain('{queue="test"} 1');
    begun[0]?.done();
    await afterMs(0);
    begun[1]?.fail();
    await afterMs(0);
    const text = await registry.getSingleMetricAsString('couchestor_kubernetes_reconciles_total');
    expect(text).toContain('{queue="test",result="done"} 1');
    expect(text).toContain('{queue="test",result="failed"} 1');
  });

  it('works on every key after its last add, never on one twice at a time, whatever comes in whatever order', async () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), key }),
      fc.record({ do: fc.constant('addAfter' as const), key, ms: fc.nat(5_000) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.nat(3_000) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.infiniteStream(fc.boolean()),
        fc.integer({ min: 1, max: 3 }),
        async (steps, fails, concurrency) => {
          const inHand = new Set<string>();
          const dirty = new Set<string>();
          let failuresLeft = 20;
          const queue = new WorkQueue({
            name: 'test',
            logger: quietLogger(),
            concurrency,
            handle: async (worked) => {
              expect(inHand.has(worked)).toBe(false);
              inHand.add(worked);
              expect(inHand.size).toBeLessThanOrEqual(concurrency);
              dirty.delete(worked);
              await new Promise((resolve) => setTimeout(resolve, 100));
              inHand.delete(worked);
              failuresLeft -= 1;
              if (failuresLeft > 0 && fails.next().value === true) {
                dirty.add(worked);
                throw new TypeError('as the test wants');
              }
            },
          });
          for (const taken of steps) {
            if (taken.do === 'wait') {
              await afterMs(taken.ms);
            } else {
              dirty.add(taken.key);
              expect(taken.do === 'add' ? queue.add(taken.key) : queue.addAfter(taken.key, taken.ms)).toBe(true);
            }
          }
          await afterMs(3_600_000);
          expect([...dirty]).toEqual([]);
          expect(queue.size).toBe(0);
        },
      ),
    );
  });
});
