/** Who may believe in the gate lock, by what was stored of it: kept by somebody who never forgets, as NATS may. */
interface Claim {
  readonly holder: string;
  readonly leaseMs: number;
  /** In a store that has just forgotten everything, a record counts only once a lease has passed: its writer waits for that too. */
  readonly believedFromMs: number;
  renewedAtMs: number;
  released: boolean;
}

interface LockRecord {
  readonly holder: string;
  readonly leaseMs: number;
  readonly released: boolean;
}

export class LockBook {
  #claims: Claim[] = [];
  #wipedAtMs = Number.NEGATIVE_INFINITY;

  wiped(nowMs: number): void {
    this.#wipedAtMs = nowMs;
  }

  stored(record: LockRecord, nowMs: number): void {
    this.#claims = this.#claims.filter((claim) => !claim.released && nowMs < claim.renewedAtMs + claim.leaseMs);
    const claim = this.#claims.find(({ holder }) => holder === record.holder);
    if (claim === undefined) {
      const believedFromMs = Math.max(nowMs, this.#wipedAtMs + record.leaseMs);
      this.#claims.push({ holder: record.holder, leaseMs: record.leaseMs, believedFromMs, renewedAtMs: nowMs, released: record.released });
    } else {
      claim.renewedAtMs = nowMs;
      claim.released = record.released;
    }
  }

  /** @param name the beginning of the holder's name */
  heldBy(name: string, o: { nowMs: number; forMs: number }): boolean {
    return this.#claims.some(
      ({ holder, released, believedFromMs, renewedAtMs, leaseMs }) =>
        holder.startsWith(`${name} `) && !released && believedFromMs <= o.nowMs && o.nowMs + o.forMs <= renewedAtMs + leaseMs,
    );
  }

  /** Who may believe in the lock now. */
  holders(nowMs: number): string[] {
    return this.#claims
      .filter(({ released, believedFromMs, renewedAtMs, leaseMs }) => !released && believedFromMs <= nowMs && nowMs < renewedAtMs + leaseMs)
      .map(({ holder }) => holder);
  }
}
