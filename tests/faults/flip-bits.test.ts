import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { randomOf } from '../torture/random.ts';
import { flipBits } from './flip-bits.ts';

test('exactly as many bits are turned over as asked for, where it says', () => {
  const dir = mkdtempSync(join(tmpdir(), 'couchestor-flip-'));
  try {
    const path = join(dir, 'file');
    const before = Buffer.alloc(1000, 0x5a);
    writeFileSync(path, before);
    const where = flipBits(path, randomOf(7), 25);
    const after = readFileSync(path);
    let turned = 0;
    for (const [index, byte] of after.entries()) {
      const difference = byte ^ (before[index] as number);
      turned += difference.toString(2).replaceAll('0', '').length;
      expect(difference !== 0).toBe(where.includes(index));
    }
    expect(turned).toBe(25);
    expect(() => flipBits(path, randomOf(7), 8001)).toThrow(RangeError);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
