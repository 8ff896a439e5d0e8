/**
 * A process that changes an index until it is killed: `node index-writer.fixture.ts <folder> <changes in flight>`. Change n writes stripe n over
 * the blocks that `blocksOf(n)` says, and raises the lsn to n; its number is printed once it resolved.
 */
import { writeSync } from 'node:fs';
import { applyEffects } from '../../domain/apply-effects.ts';
import { quiet, stripeOf } from './index.fixture.ts';
import { IndexStore } from './index-store.ts';

export function blocksOf(n: number): { firstBlock: number; blocks: number } {
  return { firstBlock: (n * 37) % 700, blocks: 1 + (n % 20) };
}

async function run(dir: string, inFlight: number): Promise<void> {
  const index = await IndexStore.open({ dir, logger: quiet });
  const writer = async (): Promise<never> => {
    for (;;) {
      const done = await index.change((see) => {
        const n = see.appliedLsn + 1;
        return {
          writes: applyEffects(see, { stripe: stripeOf({ stripeId: n, layer: 1, lsn: n, ...blocksOf(n) }), appliedLsn: n }),
          result: n,
        };
      });
      writeSync(1, `${done}\n`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, writer));
}

const [, program, dir, inFlight] = process.argv;
if (program?.endsWith('index-writer.fixture.ts') && dir !== undefined) {
  await run(dir, Number(inFlight));
}
