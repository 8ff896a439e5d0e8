/** What the checks have found, for a person. */
import type { Paint, Style } from '../terminal/ansi.ts';
import { type Verdict, verdicts } from './check.ts';
import type { Judged } from './checks.ts';

const styles: Record<Verdict, readonly Style[]> = { ok: ['green'], warning: ['yellow'], problem: ['red', 'bold'], 'not checked': ['dim'] };
const verdictWidth = Math.max(...verdicts.map(({ length }) => length));

export function checkLines(judged: readonly Judged[], paint: Paint): string[] {
  const idWidth = Math.max(...judged.map(({ id }) => id.length));
  return judged.flatMap(({ id, verdict, finding, details = [], cure }) => [
    `${paint(verdict.padEnd(verdictWidth), ...styles[verdict])}  ${id.padEnd(idWidth)}  ${finding}`,
    ...[...details, ...(cure === undefined ? [] : [`cure: ${cure}`])].map((line) => `${' '.repeat(verdictWidth + 2)}${line}`),
  ]);
}

export function hasProblem(judged: readonly Judged[]): boolean {
  return judged.some(({ verdict }) => verdict === 'problem');
}
