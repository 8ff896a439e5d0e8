/** When to ask a failing Prometheus again. */

const roundsMax = 8;
const longestMs = 5 * 60_000;

/**
 * Doubles from one round to eight, at most five minutes, less up to half of it by chance, so that many watchers do not come back together.
 *
 * @param o.failures in a row, from 1
 * @param o.random 0 to 1
 */
export function backOffMs(o: { failures: number; roundIntervalMs: number; random: number }): number {
  const capMs = Math.max(o.roundIntervalMs, Math.min(o.roundIntervalMs * roundsMax, longestMs));
  const fullMs = Math.min(capMs, o.roundIntervalMs * 2 ** Math.min(o.failures - 1, 30));
  return fullMs * (1 - o.random / 2);
}
