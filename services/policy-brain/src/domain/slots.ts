/**
 * Which of the wanted moves may be requested now. A request counts from the moment it is stored until it has ended.
 *
 * Repairs and promotions come before demotions: a slow volume hurts somebody, a fast one only costs. Among equals the oldest wish comes
 * first, so that nobody is passed over for ever, and ids break ties, so that the same round always gives the same answer.
 */

export interface Wish {
  readonly volumeId: string;
  readonly policy: string;
  /** Repairs of mixed volumes, and moves to a faster tier. */
  readonly urgent: boolean;
  /** Since when it has been wanted. */
  sinceMs: number;
}

export interface SlotLimits {
  readonly total: number;
  readonly perPolicy: ReadonlyMap<string, number>;
}

export function takeSlots<W extends Wish>(
  wishes: readonly W[],
  o: { readonly limits: SlotLimits; readonly taken: readonly { readonly policy: string }[] },
): W[] {
  const used = new Map<string, number>();
  for (const { policy } of o.taken) {
    used.set(policy, (used.get(policy) ?? 0) + 1);
  }
  let free = o.limits.total - o.taken.length;
  const chosen: W[] = [];
  if (free <= 0) {
    return chosen;
  }
  for (const wish of [...wishes].sort(byUrgencyThenAge)) {
    const usedByPolicy = used.get(wish.policy) ?? 0;
    if (usedByPolicy < (o.limits.perPolicy.get(wish.policy) ?? 0)) {
      used.set(wish.policy, usedByPolicy + 1);
      chosen.push(wish);
      free -= 1;
    }
    if (free === 0) {
      break;
    }
  }
  return chosen;
}

function byUrgencyThenAge(left: Wish, right: Wish): number {
  if (left.urgent !== right.urgent) {
    return left.urgent ? -1 : 1;
  }
  return left.sinceMs - right.sinceMs || (left.volumeId < right.volumeId ? -1 : 1);
}
