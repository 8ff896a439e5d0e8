/** The add-on by itself, given what no caller of ours gives: it must throw or compute, and never read or write what is not its own. */
import { closeSync, openSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtAddon } from './native.fixture.ts';

const addon = await builtAddon();
type Name = 'run' | 'submit' | 'crc32c' | 'crc32cBy' | 'crc32cBlocks' | 'readNow';
const call = (name: Name) => addon[name] as (...args: unknown[]) => unknown;

function detached(bytes: number): Uint8Array {
  const array = new Uint8Array(bytes);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** An array view on memory that was shrunk below it. */
function outOfBounds(bytes: number): Uint8Array {
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    o: { maxByteLength: number },
  ) => ArrayBuffer & { resize(bytes: number): void };
  const memory = new Resizable(bytes + 8, { maxByteLength: bytes + 8 });
  const array = new Uint8Array(memory, 8, bytes);
  memory.resize(4);
  return array;
}

/** Takes the memory of the first shard away while the second is being fetched. */
function treacherous(bytes: number): Uint8Array[] {
  const first = new Uint8Array(bytes);
  const array = [first, new Uint8Array(bytes)];
  Object.defineProperty(array, 1, {
    get() {
      if (first.length > 0) {
        structuredClone(first.buffer, { transfer: [first.buffer] });
      }
      return new Uint8Array(bytes);
    },
  });
  return array;
}

const bytes = fc.constantFrom(0, 1, 8, 63, 64, 65, 300);
const shard: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: bytes.map((count) => new Uint8Array(count)) },
  bytes.map((count) => Buffer.alloc(count)),
  bytes.map((count) => new Uint8Array(new SharedArrayBuffer(count))),
  bytes.map(detached),
  bytes.map(outOfBounds),
  bytes.map((count) => new Uint16Array(count)),
  bytes.map((count) => new DataView(new ArrayBuffer(count))),
  bytes.map((count) => new ArrayBuffer(count)),
  fc.anything(),
);
const list: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: fc.array(shard, { maxLength: 5 }) },
  bytes.map(treacherous),
  bytes.map((count) => new Proxy([new Uint8Array(count)], {})),
  bytes.map((count) => Array.from({ length: 256 }, () => new Uint8Array(count))),
  fc.constant({ length: 2 }),
  fc.anything(),
);
const level = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: addon.levels.length - 1 }) },
  fc.constantFrom(-1, 5, 99, 1.5, 2 ** 32, Number.NaN, '1', null),
);
const flag = fc.oneof({ weight: 5, arbitrary: fc.boolean() }, fc.anything());

/** What came of a call, without its result. */
async function outcomeOf(name: Name, args: readonly unknown[]): Promise<'answered' | 'threw'> {
  try {
    await call(name)(...args);
    return 'answered';
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return 'threw';
  }
}

describe('the add-on, given anything at all,', () => {
  it('throws or computes, at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(level, shard, list, list, flag, flag), fc.nat(6), async (args, count) => {
        expect(['answered', 'threw']).toContain(await outcomeOf('run', args.slice(0, count === 0 ? 3 : 6)));
      }),
      { numRuns: 1_500 },
    );
  });

  it('throws or computes, on the thread pool', async () => {
    const job = fc.oneof({ weight: 6, arbitrary: fc.tuple(shard, list, list, flag, flag) }, fc.array(shard), fc.anything());
    const jobs = fc.oneof({ weight: 6, arbitrary: fc.array(job, { maxLength: 3 }) }, fc.anything());
    await fc.assert(
      fc.asyncProperty(level, jobs, async (number, all) => {
        expect(['answered', 'threw']).toContain(await outcomeOf('submit', [number, all]));
      }),
      { numRuns: 800 },
    );
  });

  it('throws or sums', async () => {
    const words = fc.oneof(
      fc.integer({ min: 0, max: 4 }).map((count) => new Uint32Array(count)),
      shard,
    );
    await fc.assert(
      fc.asyncProperty(shard, fc.oneof(fc.integer(), fc.double(), fc.anything()), words, words, async (data, block, seeds, sums) => {
        expect(['answered', 'threw']).toContain(await outcomeOf('crc32c', [data, block]));
        expect(['answered', 'threw']).toContain(await outcomeOf('crc32cBy', [block, data, 7]));
        expect(['answered', 'threw']).toContain(await outcomeOf('crc32cBlocks', [data, block, seeds, sums]));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the add-on, given any file, memory and position,', () => {
  it('throws, or answers with an error or with no more bytes than there is memory', () => {
    const file = openSync('/proc/self/exe', 'r');
    try {
      const number = fc.oneof({ weight: 3, arbitrary: fc.nat(100_000) }, fc.integer(), fc.double(), fc.maxSafeInteger(), fc.anything());
      // Other files of this process are the test runner's: reading from a position takes nothing out of them.
      const fd = fc.oneof({ weight: 3, arbitrary: fc.constant(file) }, number);
      fc.assert(
        fc.property(fd, shard, number, (...args) => {
          try {
            const answer = call('readNow')(...args);
            expect(Number.isInteger(answer) && Number(answer) <= (args[1] as Uint8Array).length).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ name: 'TypeError' });
          }
        }),
        { numRuns: 2_000 },
      );
    } finally {
      closeSync(file);
    }
  });
});

describe('the add-on, on shared memory,', () => {
  const matrix = Uint8Array.of(1, 2, 3, 7, 0, 255);
  const numbers = addon.levels.flatMap((name, number) => (name === null ? [] : [number]));
  /** Three sources and two targets in one piece of memory, none of them at its beginning. */
  const shardsIn = (memory: ArrayBuffer | SharedArrayBuffer) => {
    const all = Array.from({ length: 5 }, (_, place) => new Uint8Array(memory, 16 + place * 5_008, 5_003));
    all.slice(0, 3).forEach((source, place) => {
      source.forEach((_, at) => {
        source[at] = at * (place + 5) + (at >> 8);
      });
    });
    return { sources: all.slice(0, 3), targets: all.slice(3) };
  };

  it.each(numbers)('computes what it computes on memory of one thread (level %i)', async (number) => {
    const own = shardsIn(new ArrayBuffer(30_000));
    addon.run(number, matrix, own.sources, own.targets, false, false);
    const [now, later] = [shardsIn(new SharedArrayBuffer(30_000)), shardsIn(new SharedArrayBuffer(30_000))];
    expect(addon.run(number, matrix, now.sources, now.targets, false, false)).toEqual([]);
    expect(await addon.submit(number, [[matrix, later.sources, later.targets, false, true]])).toEqual([[]]);
    for (const { sources, targets } of [now, later]) {
      expect(targets).toEqual(own.targets);
      expect(addon.run(number, matrix, sources, targets, true, false)).toEqual([]);
      const [, target] = targets;
      target?.fill(1, 5_002);
      const outcomes = [addon.run(number, matrix, sources, targets, true, false)];
      outcomes.push(...((await addon.submit(number, [[matrix, sources, targets, true, false]])) as number[][]));
      expect(outcomes).toEqual([[1], [1]]);
    }
  });

  it('sums what it sums on memory of one thread', () => {
    const bytes = Uint8Array.from({ length: 9_001 }, (_, at) => at * 3 + (at >> 7));
    const shared = new Uint8Array(new SharedArrayBuffer(9_101)).subarray(100);
    shared.set(bytes);
    expect(addon.crc32c(shared, 9)).toBe(addon.crc32c(bytes, 9));
    const words = () => new Uint32Array(new SharedArrayBuffer(12));
    const [seeds, sums, expected] = [words().fill(77), words(), new Uint32Array(3)];
    addon.crc32cBlocks(shared, 4_096, seeds, sums);
    addon.crc32cBlocks(bytes, 4_096, new Uint32Array(3).fill(77), expected);
    expect([...sums]).toEqual([...expected]);
  });
});

describe('the add-on refuses', () => {
  const one = () => new Uint8Array(64);
  const product = (o: { matrix?: unknown; sources?: unknown; targets?: unknown; compare?: unknown; stream?: unknown }) =>
    [o.matrix ?? new Uint8Array(2), o.sources ?? [one(), one()], o.targets ?? [one()], o.compare ?? false, o.stream ?? false] as const;
  const same = one();
  it.each<[string, readonly unknown[]]>([
    ['a matrix of another size', product({ matrix: new Uint8Array(3) })],
    ['a matrix of words', product({ matrix: new Uint16Array(2) })],
    ['a detached matrix', product({ matrix: detached(2) })],
    ['no sources', product({ sources: [], matrix: new Uint8Array(0) })],
    ['256 sources', product({ sources: Array.from({ length: 256 }, one), matrix: new Uint8Array(256) })],
    ['256 targets', product({ targets: Array.from({ length: 256 }, one), matrix: new Uint8Array(512) })],
    ['a list that is a proxy', product({ sources: new Proxy([one(), one()], {}) })],
    ['lengths that differ', product({ sources: [one(), new Uint8Array(63)] })],
    ['empty shards', product({ sources: [new Uint8Array(0), new Uint8Array(0)], targets: [new Uint8Array(0)] })],
    ['a detached source', product({ sources: [detached(64), one()] })],
    ['a detached target', product({ targets: [detached(64)] })],
    ['a source out of the bounds of its memory', product({ sources: [one(), outOfBounds(64)] })],
    ['a source that is detached while the next is fetched', product({ sources: treacherous(64) })],
    ['a target that is a source', product({ sources: [one(), same], targets: [same] })],
    ['a target given twice', product({ matrix: new Uint8Array(4), targets: [same, same] })],
    ['a number for a flag', product({ compare: 1 })],
    ['text for a flag', product({ stream: 'yes' })],
  ])('%s, at once and on the thread pool', (_, job) => {
    expect(() => call('run')(0, ...job)).toThrow(expect.objectContaining({ code: 'ERR_CODEC_ARGUMENT' }));
    expect(() => call('submit')(0, [job])).toThrow(expect.objectContaining({ code: 'ERR_CODEC_ARGUMENT' }));
  });

  it('no jobs, too many jobs, and levels that there are not', () => {
    for (const args of [
      [0, []],
      [0, Array.from({ length: 1_025 }, () => product({}))],
      [99, [product({})]],
      [-1, [product({})]],
      [0.5, [product({})]],
      [],
    ]) {
      expect(() => call('submit')(...args)).toThrow(expect.objectContaining({ code: 'ERR_CODEC_ARGUMENT' }));
    }
  });

  it('to hide what a getter throws', () => {
    const sources = [one(), one()];
    Object.defineProperty(sources, 1, {
      get() {
        throw new RangeError('from the getter');
      },
    });
    expect(() => call('run')(0, ...product({ sources }))).toThrow('from the getter');
  });
});
