import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NbdPayload } from './nbd-payload.ts';

it('is what came in, whatever the pieces, with few chunks where they are small', () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 9_000 })), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(lengths, (sizes) => {
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const bytes = Buffer.from(Array.from({ length: total }, (_, at) => at % 251));
      const payload = new NbdPayload(total);
      let at = 0;
      for (const size of sizes) {
        payload.add(bytes.subarray(at, at + size));
        at += size;
      }
      expect(payload.missingBytes).toBe(0);
      expect(Buffer.concat(payload.chunks).equals(bytes)).toBe(true);
      expect(payload.chunks.length).toBeLessThanOrEqual(2 * sizes.filter((size) => size >= 4_096).length + 2 + total / 30_000);
    }),
    { numRuns: 100 },
  );
});
