/** What a world found: rules that were broken, what was counted, what was reached. */
import type { SimTime } from './sim-time.ts';

/** More of them say nothing new. */
const violationsMax = 20;

export class Findings {
  readonly violations: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly steps = new Set<string>();
  readonly sights = new Set<string>();
  readonly endings = new Set<string>();
  readonly #time: SimTime;
  readonly #lines: string[] | undefined;

  constructor(o: { time: SimTime; traced: boolean }) {
    this.#time = o.time;
    this.#lines = o.traced ? [] : undefined;
  }

  get traced(): boolean {
    return this.#lines !== undefined;
  }

  get trace(): readonly string[] {
    return this.#lines ?? [];
  }

  breach(rule: string, words: string): void {
    this.say('VIOLATION', `${rule}: ${words}`);
    if (this.violations.length < violationsMax) {
      this.violations.push(`${rule} at ${this.#time.now()} ms: ${words}`);
    }
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  say(who: string, words: string): void {
    this.#lines?.push(`${String(this.#time.now()).padStart(8)} ${who.padEnd(10)} ${words}`);
  }
}
