import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GenerationLedger } from './generation-ledger.ts';

const fresh = () => join(mkdtempSync(join(tmpdir(), 'ledger-')), 'volume');

describe('the ledger of generations', () => {
  it('remembers what was acknowledged', () => {
    const path = fresh();
    const ledger = GenerationLedger.create(path, 8);
    for (const generation of [1, 2, 3]) {
      ledger.announce(5, generation);
      ledger.acknowledge(5, generation);
    }
    ledger.close();
    const again = GenerationLedger.open(path, 8);
    expect(again.generationOf(5)).toBe(3);
    expect(again.generationOf(4)).toBe(0);
    expect(again.acknowledgedWrites).toBe(3);
    expect(again.blocksWritten).toBe(1);
    expect(again.inDoubt()).toBeUndefined();
  });

  it('remembers the write that was announced, but not acknowledged', () => {
    const path = fresh();
    const ledger = GenerationLedger.create(path, 8);
    ledger.announce(2, 1);
    ledger.acknowledge(2, 1);
    ledger.announce(3, 1);
    ledger.close();
    expect(GenerationLedger.open(path, 8).inDoubt()).toEqual({ block: 3, generation: 1 });
  });

  it('grows with its volume', () => {
    const path = fresh();
    const ledger = GenerationLedger.create(path, 4);
    ledger.acknowledge(3, 9);
    ledger.resize(16);
    ledger.acknowledge(15, 2);
    ledger.close();
    const again = GenerationLedger.open(path, 16);
    expect([again.generationOf(3), again.generationOf(15), again.blocks]).toEqual([9, 2, 16]);
  });

  it('refuses a file that is none, by name', () => {
    const path = fresh();
    writeFileSync(path, 'something else altogether');
    expect(() => GenerationLedger.open(path, 4)).toThrow(`file=${path}`);
  });
});
