/**
 * A process with an index that runs into a limit of file sizes, which LMDB meets as it meets a full disk: `node index-full.fixture.ts <folder>`.
 * Prints what came of each step as a line of JSON.
 */
import { execFileSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '@couchestor/shared/errors';
import { applyEffects } from '../../domain/apply-effects.ts';
import { quiet, stripeOf } from './index.fixture.ts';
import { IndexStore } from './index-store.ts';

const dir = process.argv[2] ?? '';
// Its default is to end the process; the write fails all the same.
process.on('SIGXFSZ', () => undefined);

function limitFileBytes(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

async function outcome(step: string, work: () => Promise<unknown>): Promise<void> {
  const result = await work().then(
    () => 'done',
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );
  const hasBallast = await stat(join(dir, 'ballast')).then(
    () => true,
    () => false,
  );
  writeSync(1, `${JSON.stringify({ step, result, stripes: index.counts().stripes, hasBallast, hasFailed: index.failed !== undefined })}\n`);
}

let index = await IndexStore.open({ dir, logger: quiet });
const write = (from: number, count: number): Promise<void> =>
  index.change((see) => ({
    writes: applyEffects(see, {
      stripes: Array.from({ length: count }, (_, at) =>
        stripeOf({ stripeId: from + at, layer: 1, firstBlock: from + at, blocks: 1, lsn: 1 }),
      ),
    }),
    result: undefined,
  }));
const remove = (): Promise<void> =>
  index.change(() => ({ writes: { removedPages: [{ layer: 1, page: 900 }] }, result: undefined }), { freesSpace: true });

await outcome('write', () => write(1, 20));
limitFileBytes((await stat(join(dir, 'index', 'data.mdb'))).size);
await outcome('write much', () => write(1000, 5000));
await outcome('write a little', () => write(100, 1));
await outcome('free', remove);
limitFileBytes('unlimited');
await outcome('write again', () => write(100, 1));
await index.close();
index = await IndexStore.open({ dir, logger: quiet });
await outcome('open again', () => Promise.resolve());
await index.close();
