/** What every erasure codec must do, whatever its engine. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErasureCodec } from './erasure-codec.ts';
import type { CodeShape } from './matrix.ts';

/** What a codec takes. */
interface CodecLimits {
  readonly dataShardsMax: number;
  readonly parityShardsMin: number;
  readonly parityShardsMax: number;
  readonly shardMultipleBytes: number;
}

const anyShard: CodecLimits = { dataShardsMax: 254, parityShardsMin: 0, parityShardsMax: 255, shardMultipleBytes: 1 };

function someCode({ dataShardsMax, parityShardsMin, parityShardsMax }: CodecLimits): fc.Arbitrary<CodeShape> {
  const code = (o: { dataMax: number; parityMax: number }) =>
    fc.record({
      dataShards: fc.integer({ min: 1, max: Math.min(dataShardsMax, o.dataMax) }),
      parityShards: fc.integer({ min: parityShardsMin, max: Math.min(parityShardsMax, o.parityMax) }),
    });
  const largest = fc.integer({ min: 1, max: dataShardsMax }).map((dataShards) => ({
    dataShards,
    parityShards: Math.min(parityShardsMax, 255 - dataShards),
  }));
  return fc.oneof(
    { weight: 8, arbitrary: code({ dataMax: 12, parityMax: 6 }) },
    { weight: 1, arbitrary: code({ dataMax: 120, parityMax: 120 }) },
    { weight: 1, arbitrary: largest },
  );
}

/** A stripe with some shards lost, and a range within it. */
function someLoss(limits: CodecLimits) {
  return fc
    .record({
      code: someCode(limits),
      lengthBytes: fc
        .integer({ min: 1, max: 700 })
        .map((bytes) => Math.ceil(bytes / limits.shardMultipleBytes) * limits.shardMultipleBytes),
      fill: fc.infiniteStream(fc.integer({ min: 1, max: 0xffff })),
    })
    .chain(({ code, lengthBytes, fill }) =>
      fc.record({
        code: fc.constant(code),
        data: fc.constant(
          Array.from({ length: code.dataShards }, () => {
            const step = fill.next().value ?? 1;
            return Uint8Array.from({ length: lengthBytes }, (_, at) => (Math.imul(at + step, 2_654_435_761) >>> 13) ^ step);
          }),
        ),
        lost: fc.subarray(placesOf(code), { maxLength: code.parityShards }),
        wanted: fc.shuffledSubarray(placesOf(code)),
        range: fc
          .tuple(fc.nat(lengthBytes - 1), fc.nat(lengthBytes - 1))
          .map(([a, b]) => ({ offsetBytes: Math.min(a, b), lengthBytes: Math.abs(a - b) + 1 })),
      }),
    );
}

function placesOf({ dataShards, parityShards }: CodeShape): number[] {
  return Array.from({ length: dataShards + parityShards }, (_, index) => index);
}

const plain = (shards: readonly Uint8Array[]) => shards.map((shard) => Buffer.from(shard).toString('hex'));

export function erasureCodecConformance(codecOf: (code: CodeShape) => ErasureCodec, limits: CodecLimits = anyShard): void {
  it('gives back any lost shards, of any range, from any survivors', async () => {
    await fc.assert(
      fc.asyncProperty(someLoss(limits), async ({ code, data, lost, wanted, range }) => {
        const codec = codecOf(code);
        const whole = [...data, ...(await codec.encode(data))];
        const shards = whole.map((shard, place) => (lost.includes(place) ? undefined : shard));
        expect(plain(await codec.reconstruct({ shards, wanted: lost }))).toEqual(
          plain(lost.map((place) => whole[place] ?? new Uint8Array())),
        );

        const into = lost.map(() => new Uint8Array(data[0]?.length ?? 0));
        const isDone = codec.reconstructNow?.({ shards, wanted: lost, into }) ?? false;
        expect(plain(into)).toEqual(plain(lost.map((place, at) => (isDone ? whole[place] : into[at]) ?? new Uint8Array())));

        const end = range.offsetBytes + range.lengthBytes;
        const expected = plain(wanted.map((place) => (whole[place] ?? new Uint8Array()).subarray(range.offsetBytes, end)));
        expect(plain(await codec.reconstruct({ shards, wanted, range }))).toEqual(expected);
        if (!codec.isByteLocal) {
          return;
        }
        const parts = shards.map((shard) => shard?.subarray(range.offsetBytes, end));
        expect(plain(await codec.reconstruct({ shards: parts, wanted }))).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('verifies what it encoded, and names the parity that a changed byte contradicts', async () => {
    await fc.assert(
      fc.asyncProperty(someLoss(limits), fc.nat(), fc.nat(), async ({ code, data }, place, at) => {
        const codec = codecOf(code);
        const whole = [...data, ...(await codec.encode(data))].map((shard) => Uint8Array.from(shard));
        expect(await codec.verify(whole)).toEqual([]);
        const changed = whole[place % whole.length] ?? new Uint8Array(1);
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ 0x40;
        const parity = placesOf(code).slice(code.dataShards);
        // No coefficient of the parity rows is zero, so a changed data byte contradicts all of them.
        expect(await codec.verify(whole)).toEqual(place % whole.length < code.dataShards ? parity : [place % whole.length]);
      }),
      { numRuns: 50 },
    );
  });

  it('writes into the memory that it is given', async () => {
    const codec = codecOf({ dataShards: 3, parityShards: 2 });
    const data = [1, 2, 3].map((value) => new Uint8Array(104).fill(value));
    const into = [new Uint8Array(104), new Uint8Array(104)];
    expect(await codec.encode(data, into)).toBe(into);
    expect(await codec.verify([...data, ...into])).toEqual([]);
    const back = [new Uint8Array(10)];
    const shards = [undefined, ...data.slice(1), ...into];
    expect(await codec.reconstruct({ shards, wanted: [0], range: { offsetBytes: 94, lengthBytes: 10 }, into: back })).toBe(back);
    expect(back[0]).toEqual(data[0]?.subarray(0, 10));
  });

  describe('refuses', () => {
    const code = { dataShards: 3, parityShards: 2 };
    const bytes = (count: number) => new Uint8Array(count);
    const five = () => Array.from({ length: 5 }, () => bytes(56));
    it.each<[string, string, (codec: ErasureCodec) => Promise<unknown>]>([
      ['too few data shards', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8)])],
      ['a hole among data to encode', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8), undefined as never])],
      ['text in place of bytes', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8), 'bytes' as never])],
      ['something else than an array', 'BAD_SHARDS', (codec) => codec.encode('shards' as never)],
      ['words in place of bytes', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8), new Uint16Array(8) as never])],
      ['empty shards', 'BAD_SHARDS', (codec) => codec.encode([bytes(0), bytes(0), bytes(0)])],
      ['shards of two lengths', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8), bytes(16)])],
      ['memory for too few results', 'BAD_SHARDS', (codec) => codec.encode([bytes(8), bytes(8), bytes(8)], [bytes(8)])],
      [
        'memory of another length for results',
        'BAD_SHARDS',
        (codec) => codec.encode([bytes(8), bytes(8), bytes(8)], [bytes(8), bytes(16)]),
      ],
      [
        'fewer survivors than data shards',
        'TOO_FEW_SHARDS',
        (codec) => codec.reconstruct({ shards: [bytes(8), bytes(8), undefined, undefined, undefined], wanted: [2] }),
      ],
      ['no survivors', 'TOO_FEW_SHARDS', (codec) => codec.reconstruct({ shards: Array.from({ length: 5 }, () => undefined), wanted: [2] })],
      ['a place beyond the code', 'BAD_SHARDS', (codec) => codec.reconstruct({ shards: five(), wanted: [5] })],
      ['a place below zero', 'BAD_SHARDS', (codec) => codec.reconstruct({ shards: five(), wanted: [-1] })],
      ['no place', 'BAD_SHARDS', (codec) => codec.reconstruct({ shards: five(), wanted: [undefined as never] })],
      ['half a place', 'BAD_SHARDS', (codec) => codec.reconstruct({ shards: five(), wanted: [0.5] })],
      [
        'an empty range',
        'BAD_RANGE',
        (codec) => codec.reconstruct({ shards: five(), wanted: [0], range: { offsetBytes: 0, lengthBytes: 0 } }),
      ],
      [
        'a range beyond the shards',
        'BAD_RANGE',
        (codec) => codec.reconstruct({ shards: five(), wanted: [0], range: { offsetBytes: 10, lengthBytes: 47 } }),
      ],
      [
        'a range below zero',
        'BAD_RANGE',
        (codec) => codec.reconstruct({ shards: five(), wanted: [0], range: { offsetBytes: -1, lengthBytes: 2 } }),
      ],
      [
        'a range of no number',
        'BAD_RANGE',
        (codec) => codec.reconstruct({ shards: five(), wanted: [0], range: { offsetBytes: Number.NaN, lengthBytes: 2 } }),
      ],
      ['a shard missing from what is to be verified', 'BAD_SHARDS', (codec) => codec.verify([...five().slice(1), undefined as never])],
    ])('%s', async (_, expected, call) => {
      await expect(call(codecOf(code))).rejects.toMatchObject({ code: `CODEC_${expected}` });
    });

    it('a code that cannot be', () => {
      expect(() => codecOf({ dataShards: 200, parityShards: 56 })).toThrow(/CODEC_BAD_CODE/);
    });
  });
}
