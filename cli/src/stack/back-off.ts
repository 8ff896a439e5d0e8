/** How long to wait before a process that died is started again. */
const firstMs = 200;
const mostMs = 10_000;
/** A process that ran this long was well; its death begins a new series. */
export const wellAfterMs = 20_000;

/** @param deaths in a row, from 1 */
export function restartDelayMs(deaths: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(30, deaths - 1));
}
