import { describe, expect, it } from 'vitest';
import { CauchyCodec } from './cauchy-codec.ts';
import { erasureCodecConformance } from './erasure-codec.conformance.ts';
import { referenceEngine } from './reference-engine.ts';

describe('the Cauchy codec on the reference engine', () => {
  erasureCodecConformance((code) => new CauchyCodec(code, referenceEngine));

  it('computes right after more patterns of loss than it keeps', async () => {
    const codec = new CauchyCodec({ dataShards: 6, parityShards: 4 }, referenceEngine);
    const data = Array.from({ length: 6 }, (_, shard) => new Uint8Array(9).fill(shard + 1));
    const whole = [...data, ...(await codec.encode(data))];
    for (const round of [1, 2]) {
      for (let a = 0; a < 10; a += 1) {
        for (let b = 0; b < 10; b += 1) {
          const shards = whole.map((shard, place) => (place === a || place === b ? undefined : shard));
          const back = await codec.reconstruct({ shards, wanted: [a, b] });
          expect({ round, back: back.map((shard) => [...shard]) }).toEqual({ round, back: [[...(whole[a] ?? [])], [...(whole[b] ?? [])]] });
        }
      }
    }
  });
});
