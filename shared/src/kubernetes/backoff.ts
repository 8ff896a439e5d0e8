/** How long to wait before the next try at something that keeps failing. */

export interface BackoffLimits {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * `firstMs`, doubling to `longestMs`, each between half and the whole of that, so that many that failed together do not come back together.
 *
 * @param failures in a row, from 1
 * @param random from 0 to 1
 */
export function backoffMs(failures: number, limits: BackoffLimits, random: number): number {
  const wholeMs = Math.min(limits.longestMs, limits.firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(wholeMs * (0.5 + 0.5 * random));
}
