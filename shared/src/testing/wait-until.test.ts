import { describe, expect, it } from 'vitest';
import { waitUntil } from './wait-until.ts';

describe('waiting until a condition holds', () => {
  it('ends when it holds', async () => {
    let asked = 0;
    await waitUntil(
      async () => {
        asked += 1;
        return asked === 3;
      },
      { intervalMs: 1 },
    );
    expect(asked).toBe(3);
  });

  it('fails after its time, naming what was waited for', async () => {
    await expect(waitUntil(() => false, { timeoutMs: 20, intervalMs: 1, what: 'Godot' })).rejects.toThrow(
      'waited 20 ms in vain for: Godot',
    );
  });

  it('fails with the error of a condition that keeps failing', async () => {
    const cause = new Error('not yet');
    await expect(waitUntil(() => Promise.reject(cause), { timeoutMs: 20, intervalMs: 1 })).rejects.toMatchObject({ cause });
  });
});
