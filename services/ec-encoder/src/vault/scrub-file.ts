/** How far the scrub has come, kept beside the index. It is a hint: without it, or with an old one, the scrub only looks at stripes again. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ScrubState } from './scrubber.ts';

const stateSchema = z.object({ nextStripeId: z.int().positive().optional(), lastFinishedAtMs: z.number().optional() });

export async function readScrubState(dataDir: string): Promise<ScrubState> {
  try {
    const { nextStripeId, lastFinishedAtMs } = stateSchema.parse(JSON.parse(await readFile(pathIn(dataDir), 'utf8')));
    return { ...(nextStripeId !== undefined && { nextStripeId }), ...(lastFinishedAtMs !== undefined && { lastFinishedAtMs }) };
  } catch {
    return {};
  }
}

export async function keepScrubState(dataDir: string, state: ScrubState): Promise<void> {
  await writeFile(pathIn(dataDir), `${JSON.stringify(state)}\n`).catch(() => undefined);
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'scrub.json');
}
