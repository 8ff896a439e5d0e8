/**
 * What a workload tells, a line for each thing, in the order of their happening: that an operation begins, before it is begun, and that it was
 * answered, after it was. A line is in the file, and so in a recording, before what follows it.
 */
import { writeSync } from 'node:fs';
import { z } from 'zod';

const range = { volume: z.string(), firstUnit: z.int(), units: z.int() };

export const operationSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('create'), volume: z.string(), units: z.int() }),
  z.strictObject({ do: z.literal('write'), ...range }),
  z.strictObject({ do: z.literal('zero'), ...range }),
  z.strictObject({ do: z.literal('read'), ...range }),
  z.strictObject({ do: z.literal('snapshot'), volume: z.string(), name: z.string() }),
  z.strictObject({ do: z.literal('remove-snapshot'), volume: z.string(), name: z.string() }),
  z.strictObject({ do: z.literal('clone'), volume: z.string(), name: z.string(), as: z.string() }),
  z.strictObject({ do: z.literal('put'), key: z.string(), units: z.int() }),
  z.strictObject({ do: z.literal('adopt'), key: z.string() }),
  z.strictObject({ do: z.literal('release'), key: z.string() }),
]);
export type Operation = z.infer<typeof operationSchema>;

/** Values of units that follow each other: [value, how many], one after the other. */
const runsSchema = z.array(z.int());

const blobSchema = z.object({ key: z.string(), state: z.enum(['pending', 'adopted']), units: z.int(), isSound: z.boolean() });
export type FoundBlob = z.infer<typeof blobSchema>;

export const foundSchema = z.object({
  /** Volumes by name, snapshots as name@snapshot. */
  devices: z.record(z.string(), runsSchema),
  blobs: z.array(blobSchema),
  /** In words, for whoever looks into a failure. */
  problems: z.array(z.string()),
});
export type Found = z.infer<typeof foundSchema>;

const lineSchema = z.discriminatedUnion('is', [
  /** A process has come to life; the vault is not open yet. */
  z.strictObject({ is: z.literal('born') }),
  z.strictObject({ is: z.literal('open') }),
  z.strictObject({ is: z.literal('begun'), id: z.int(), operation: operationSchema }),
  z.strictObject({ is: z.literal('done'), id: z.int(), read: runsSchema.optional() }),
  z.strictObject({ is: z.literal('failed'), id: z.int(), reason: z.string() }),
  /** All that is there was read before anything was begun in this life; it is in this file. */
  z.strictObject({ is: z.literal('seen'), path: z.string() }),
  /** No stripe lacks a shard, and all of them are sound. */
  z.strictObject({ is: z.literal('healed') }),
  z.strictObject({ is: z.literal('note'), text: z.string() }),
]);
export type Line = z.infer<typeof lineSchema>;

/** Written before it returns. */
export function tell(fd: number, line: Line): void {
  writeSync(fd, `${JSON.stringify(line)}\n`);
}

/** A line that was cut short was not told. */
export function linesOf(text: string): { lines: Line[]; rest: string } {
  const end = text.lastIndexOf('\n') + 1;
  const lines = text
    .slice(0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  return { lines, rest: text.slice(end) };
}

export function runsOf(values: Int32Array): number[] {
  const runs: number[] = [];
  for (let at = 0; at < values.length; ) {
    const value = values[at] ?? 0;
    let end = at + 1;
    while (end < values.length && values[end] === value) {
      end += 1;
    }
    runs.push(value, end - at);
    at = end;
  }
  return runs;
}

export function* unitsOf(runs: readonly number[]): Iterable<{ unit: number; value: number }> {
  let unit = 0;
  for (let at = 0; at + 1 < runs.length; at += 2) {
    for (let count = 0; count < (runs[at + 1] ?? 0); count += 1) {
      yield { unit, value: runs[at] ?? 0 };
      unit += 1;
    }
  }
}
