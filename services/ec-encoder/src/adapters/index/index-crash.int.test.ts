/** A process that is killed in the middle: what it was told is durable is there, and no change is there in part. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pageBlocks, pointerAt } from '../../domain/lba-page.ts';
import { quiet, withFolder } from './index.fixture.ts';
import { IndexStore } from './index-store.ts';
import { blocksOf } from './index-writer.fixture.ts';

const program = fileURLToPath(new URL('./index-writer.fixture.ts', import.meta.url));
const roundsPerFolder = 5;

/** The last change that the process was told of before it was killed. */
function writeUntilKilled(dir: string, changes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', program, dir, '6'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    let complaints = '';
    child.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      if (said.split('\n').length > changes) {
        child.kill('SIGKILL');
      }
    });
    child.stderr.on('data', (bytes: Buffer) => {
      complaints += bytes.toString();
    });
    child.on('error', reject);
    child.on('close', (_, signal) => {
      // A line is whole once its end is there.
      const whole = said
        .slice(0, said.lastIndexOf('\n') + 1)
        .trim()
        .split('\n')
        .map(Number);
      if (signal === 'SIGKILL') {
        resolve(Math.max(...whole));
      } else {
        reject(new Error(`the writer ended by itself: ${complaints}`));
      }
    });
  });
}

function check(index: IndexStore, promised: number): void {
  expect(index.appliedLsn).toBeGreaterThanOrEqual(promised);
  const owners: number[] = [];
  for (let n = 1; n <= index.appliedLsn; n += 1) {
    const { firstBlock, blocks } = blocksOf(n);
    for (let block = firstBlock; block < firstBlock + blocks; block += 1) {
      owners[block] = n;
    }
  }
  const liveBytes = new Map<number, number>();
  for (const [block, owner] of owners.entries()) {
    expect(pointerAt(index.resolvePage(1, Math.floor(block / pageBlocks)), block % pageBlocks)?.stripeId).toBe(owner);
    if (owner !== undefined) {
      liveBytes.set(owner, (liveBytes.get(owner) ?? 0) + 4096);
    }
  }
  expect([...index.stripes()].map((row) => [row.stripeId, row.liveBytes])).toEqual([...liveBytes].sort(([a], [b]) => a - b));
  for (const stripeId of liveBytes.keys()) {
    expect(index.sums(stripeId, 2)?.[0]).toBe(stripeId * 16 + 2);
  }
}

describe('an index whose process is killed', () => {
  it.concurrent.each([3, 11])('has every change that resolved, and none in part (kill %i and on)', (seed) =>
    withFolder(async (dir) => {
      for (let round = 0; round < roundsPerFolder; round += 1) {
        const promised = await writeUntilKilled(dir, 1 + ((seed * (round + 1) * 29) % 97));
        const index = await IndexStore.open({ dir, logger: quiet });
        check(index, promised);
        await index.close();
      }
    }),
  );
});
