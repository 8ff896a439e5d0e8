/**
 * Whether what was read from Kubernetes may be decided on. Pure; time is told to it.
 *
 * Before everything was read once, nothing may: a volume without its PersistentVolume has no labels and a policy that was not read selects
 * nothing, and neither is what is written (S4, S5). Afterwards what was read last goes on to count for a while when the API server is away,
 * because connections are renewed every few minutes and a restart of the API server takes seconds. It counts no longer than that: a policy
 * that was switched off must stop moves also where only our own connection is cut, and nobody can tell the two apart.
 */

export interface Part {
  /** As people know it: `PersistentVolumes`. */
  readonly name: string;
  readonly synced: boolean;
  /** Why it is not up to date at this moment. */
  readonly problem: string | undefined;
}

export class Freshness {
  readonly #graceMs: number;
  readonly #behindSince = new Map<string, number>();
  #problem: string | undefined = 'Kubernetes has not been read yet';

  constructor(o: { graceMs: number }) {
    this.#graceMs = o.graceMs;
  }

  /** Why nothing may be decided; undefined where everything may. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** @param nowMs by a clock that is never set back */
  observe(parts: readonly Part[], nowMs: number): void {
    const problems: string[] = [];
    for (const { name, synced, problem } of parts) {
      if (synced && problem === undefined) {
        this.#behindSince.delete(name);
        continue;
      }
      const since = this.#behindSince.get(name) ?? nowMs;
      this.#behindSince.set(name, since);
      if (!synced) {
        problems.push(`${name} have not been read yet${problem === undefined ? '' : ` (${problem})`}`);
      } else if (nowMs - since >= this.#graceMs) {
        problems.push(`${name} cannot be followed any more (${problem})`);
      }
    }
    this.#problem = problems.length === 0 ? undefined : problems.join('; ').slice(0, 1_500);
  }
}
