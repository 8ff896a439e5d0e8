import type { Output } from '../terminal/output.ts';

/** One document, readable by people and programs alike. */
export function printJson(output: Output, value: unknown): void {
  output.print(JSON.stringify(value, null, 2));
}
