import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CauchyCodec } from '../../domain/codec/cauchy-codec.ts';
import { erasureCodecConformance } from '../../domain/codec/erasure-codec.conformance.ts';
import { loadCodecEngines } from './load-codec.ts';
import { builtRonomon } from './native.fixture.ts';
import { openCodec } from './open-codec.ts';
import { RonomonCodec } from './ronomon-codec.ts';

const addon = await builtRonomon();
const code = { dataShards: 4, parityShards: 2 };
const limits = { dataShardsMax: 24, parityShardsMin: 1, parityShardsMax: 6, shardMultipleBytes: 8 };

const shardsOf = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, shard) => Uint8Array.from({ length: bytes }, (__, at) => (at >> 3) * (shard + 3)));

describe('the codec ronomon', () => {
  erasureCodecConformance((shape) => new RonomonCodec(shape, addon), limits);

  it('cannot code a part of a shard by itself, and says so', async () => {
    const codec = new RonomonCodec(code, addon);
    const data = shardsOf(4, 4_096);
    const [, whole] = await codec.encode(data);
    const [, half] = await codec.encode(data.map((shard) => shard.subarray(0, 2_048)));
    expect(codec.isByteLocal).toBe(false);
    expect(Buffer.from(half ?? []).equals((whole ?? new Uint8Array()).subarray(0, 2_048))).toBe(false);
  });

  it.each([
    ['more data shards than it has matrices for', { dataShards: 25, parityShards: 2 }],
    ['more parity shards than it has matrices for', { dataShards: 4, parityShards: 7 }],
    ['no parity', { dataShards: 4, parityShards: 0 }],
    ['half a shard', { dataShards: 4.5, parityShards: 2 }],
  ])('refuses %s', (_, shape) => {
    expect(() => new RonomonCodec(shape, addon)).toThrow(expect.objectContaining({ code: 'CODEC_BAD_CODE' }));
  });

  it.each([
    ['shards that are no multiple of eight bytes', shardsOf(4, 4_092)],
    ['stripes of four gigabytes, before it asks for that much memory', Array.from({ length: 4 }, () => new Uint8Array(2 ** 30))],
  ])('refuses %s', async (_, data) => {
    await expect(new RonomonCodec(code, addon).encode(data)).rejects.toMatchObject({
      code: 'CODEC_BAD_SHARDS',
      facts: { codec: 'ronomon' },
    });
  });

  it('refuses memory for results that overlaps what they come from', async () => {
    const data = shardsOf(4, 64);
    await expect(new RonomonCodec(code, addon).encode(data, [data[0] ?? new Uint8Array(64), new Uint8Array(64)])).rejects.toMatchObject({
      code: 'CODEC_OVERLAP',
    });
  });

  it('works on shared memory, on many stripes at once, each with its own result', async () => {
    const codec = new RonomonCodec(code, addon);
    const stripes = Array.from({ length: 9 }, (_, stripe) => {
      const memory = new SharedArrayBuffer(6 * 8_192);
      const shards = Array.from({ length: 6 }, (__, place) => new Uint8Array(memory, place * 8_192, 8_192));
      shards.slice(0, 4).forEach((shard, place) => {
        shard.fill(stripe * 7 + place);
      });
      return { data: shards.slice(0, 4), parity: shards.slice(4) };
    });
    await Promise.all(stripes.map(({ data, parity }) => codec.encode(data, parity)));
    for (const { data, parity } of stripes) {
      expect(await codec.verify([...data, ...parity])).toEqual([]);
    }
  });

  it('says so where memory for results is taken away meanwhile', async () => {
    const [data, into] = [shardsOf(4, 4_096), shardsOf(2, 4_096)];
    const done = new RonomonCodec(code, addon).encode(data, into);
    structuredClone(into[1]?.buffer, { transfer: [into[1]?.buffer as ArrayBuffer] });
    await expect(done).rejects.toMatchObject({ code: 'CODEC_CHANGED_IN_USE' });
  });
});

describe('opening a codec by its name', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'couchestor-open-codec-'));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it('gives the code that the name stands for', async () => {
    const engines = await loadCodecEngines({ env: process.env });
    expect(await openCodec('isal-compatible', code, engines)).toBeInstanceOf(CauchyCodec);
    expect(await openCodec('ronomon', code, engines)).toBeInstanceOf(RonomonCodec);
  });

  it('names the cure where ronomon was not built, which leaves the other one as it is', async () => {
    const engines = await loadCodecEngines({ env: { XDG_CACHE_HOME: dir } });
    await expect(openCodec('ronomon', code, engines)).rejects.toMatchObject({
      code: 'NATIVE_RONOMON_NOT_BUILT',
      message: expect.stringContaining('Install a C compiler'),
    });
    expect((await openCodec('isal-compatible', code, engines)).isByteLocal).toBe(true);
  });
});
