/** Who may believe in the gate lock, by what was stored of it: kept by somebody who never forgets, as NATS may. */
interface Claim {
  readonly holder: string;
  readonly leaseMs: number;
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

  stored(record: LockRecord, nowMs: number): void {
    this.#claims = this.#claims.filter((claim) => !claim.released && nowMs < claim.renewedAtMs + claim.leaseMs);
    const claim = this.#claims.find(({ holder }) => holder === record.holder);
    if (claim === undefined) {
      this.#claims.push({ holder: record.holder, leaseMs: record.leaseMs, renewedAtMs: nowMs, released: record.released });
    } else {
      claim.renewedAtMs = nowMs;
      claim.released = record.released;
    }
  }

  /** @param name the beginning of the holder's name */
  heldBy(name: string, o: { nowMs: number; forMs: number }): boolean {
    return this.#claims.some(
      ({ holder, released, renewedAtMs, leaseMs }) =>
        holder.startsWith(`${name} `) && !released && o.nowMs + o.forMs <= renewedAtMs + leaseMs,
    );
  }

  /** Holders whose lease has not run out. */
  holders(nowMs: number): string[] {
    return this.#claims
      .filter(({ released, renewedAtMs, leaseMs }) => !released && nowMs < renewedAtMs + leaseMs)
      .map(({ holder }) => holder);
  }
}
