import { describe, expect, it } from 'vitest';
import type { Drive } from '../adapters/drive/drive.ts';
import { DriveSet } from './drive-set.ts';
import { spaceOf } from './space.ts';

const gib = 2 ** 30;
const code = { dataShards: 4, parityShards: 2, stripeSizeBytes: 2 ** 20 };

function drives(freeBytes: readonly number[], state: Drive['state'] = 'online'): DriveSet {
  const set = new DriveSet();
  freeBytes.forEach((free, index) => {
    const space = () => ({ totalBytes: 10 * gib, freeBytes: free, reservedBytes: 0.7 * gib });
    set.set({ number: index + 1, state, space } as unknown as Drive);
  });
  return set;
}

describe('the room for writes', () => {
  it('is enough while the drives have more than their reserve and what the journal still needs', () => {
    const six = drives([5, 5, 5, 5, 5, 5].map((one) => one * gib));
    expect(spaceOf({ drives: six, code, minHealthyShards: 4, journalUsedBytes: gib })).toBe('enough');
  });

  it('ends before the reserve does, earlier the more the journal holds', () => {
    const six = drives([1, 1, 1, 1, 1, 1].map((one) => one * gib));
    expect(spaceOf({ drives: six, code, minHealthyShards: 4, journalUsedBytes: 0 })).toBe('enough');
    expect(spaceOf({ drives: six, code, minHealthyShards: 4, journalUsedBytes: 2 * gib })).toBe('full');
    expect(
      spaceOf({ drives: drives([0.6, 0.6, 0.6, 0.6, 0.6, 0.6].map((one) => one * gib)), code, minHealthyShards: 4, journalUsedBytes: 0 }),
    ).toBe('full');
  });

  it('is none while fewer drives are online than a stripe must have shards', () => {
    expect(spaceOf({ drives: drives([5, 5, 5].map((one) => one * gib)), code, minHealthyShards: 4, journalUsedBytes: 0 })).toBe(
      'tooFewDrives',
    );
    expect(
      spaceOf({
        drives: drives(
          [5, 5, 5, 5].map((one) => one * gib),
          'failed',
        ),
        code,
        minHealthyShards: 4,
        journalUsedBytes: 0,
      }),
    ).toBe('tooFewDrives');
  });
});
