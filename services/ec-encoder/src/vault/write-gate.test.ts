import { describe, expect, it } from 'vitest';
import { WriteGate } from './write-gate.ts';

/** Work that ends when it is told to. */
function held() {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { done, end: () => end() };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await undefined;
  }
}

describe('the gate of a volume', () => {
  it('lets those that share in side by side, and whoever goes alone waits for them', async () => {
    const gate = new WriteGate();
    const [first, second] = [held(), held()];
    const order: string[] = [];
    const sharing = [gate.shared(() => first.done), gate.shared(() => second.done)];
    const alone = gate.alone(async () => void order.push('alone'));
    const later = gate.shared(async () => void order.push('later'));
    first.end();
    await turns();
    expect(order).toEqual([]);
    second.end();
    await Promise.all([...sharing, alone, later]);
    expect(order).toEqual(['alone', 'later']);
  });

  it('opens again after work that failed', async () => {
    const gate = new WriteGate();
    await expect(gate.alone(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(gate.shared(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.alone(async () => 'in')).toBe('in');
  });

  it('lets one alone in at a time, in the order of their coming', async () => {
    const gate = new WriteGate();
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      [1, 2, 3].map((number) =>
        gate.alone(async () => {
          inside += 1;
          expect(inside).toBe(1);
          await turns();
          order.push(number);
          inside -= 1;
        }),
      ),
    );
    expect(order).toEqual([1, 2, 3]);
  });
});
