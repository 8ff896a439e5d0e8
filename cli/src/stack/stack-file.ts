/** `stack.json`: what runs with one data folder. Written by the supervisor, read by every other command. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { processIdentitySchema } from './process-identity.ts';

const url = z.string().min(1);

const stackFileSchema = z.object({
  version: z.literal(1),
  dataDir: z.string(),
  startedAt: z.iso.datetime(),
  supervisor: processIdentitySchema,
  natsUrl: url,
  redisUrl: url,
  prometheusUrl: url,
  /** Mayastor's REST API, as the simulator serves it. */
  mayastorUrl: url,
  /** The simulator's own port: faults, workload, verification. */
  adminUrl: url,
  exporterUrl: url,
  services: z.array(z.object({ name: z.string(), metricsUrl: url, healthUrl: url })),
  /** Everything that the supervisor started, so that what a killed supervisor leaves behind can be told from other people's processes. */
  processes: z.array(processIdentitySchema.extend({ name: z.string() })),
});
export type StackFile = z.infer<typeof stackFileSchema>;

/** Undefined where there is none, or none that this version wrote. */
export async function readStackFile(path: string): Promise<StackFile | undefined> {
  try {
    return stackFileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/** By rename, so that a reader never sees half of it. */
export async function writeStackFile(path: string, stack: StackFile): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(stack, null, 2)}\n`);
  await rename(`${path}.new`, path);
}
