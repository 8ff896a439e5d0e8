/** What a check is: a pure judgement over what has been seen, in words for people. */
import type { Facts, Looked, MayastorFacts } from './facts.ts';

export const verdicts = ['ok', 'warning', 'problem', 'not checked'] as const;
export type Verdict = (typeof verdicts)[number];

export interface Judgement {
  readonly verdict: Verdict;
  /** One sentence with its numbers. */
  readonly finding: string;
  /** What it is about, one line each. */
  readonly details?: readonly string[];
  /** Of a warning or a problem: what to do. */
  readonly cure?: string;
}

export interface Check {
  readonly id: string;
  /** What it asks, for the manual. */
  readonly asks: string;
  judge(facts: Facts): Judgement;
}

/** The most lines of detail that are shown for one check. */
const detailsMax = 12;

export function ok(finding: string): Judgement {
  return { verdict: 'ok', finding };
}

export function notChecked(why: string): Judgement {
  return { verdict: 'not checked', finding: why };
}

export function amiss(verdict: 'warning' | 'problem', o: { finding: string; details?: readonly string[]; cure: string }): Judgement {
  const { details = [] } = o;
  const more = details.length - detailsMax;
  return { verdict, ...o, details: more > 0 ? [...details.slice(0, detailsMax), `and ${more} more`] : details };
}

/** Judges what was seen; what was not is not checked. */
export function overSeen<T>(looked: Looked<T>, judge: (value: T) => Judgement): Judgement {
  return looked.kind === 'seen' ? judge(looked.value) : notChecked(looked.why);
}

/** The same, of Mayastor, whose absence one check tells in full. */
export function overMayastor({ mayastor }: Facts, judge: (value: MayastorFacts) => Judgement): Judgement {
  return mayastor.kind === 'seen' ? judge(mayastor.value) : notChecked('Mayastor does not answer');
}

/** `3 volumes`, `1 volume`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
