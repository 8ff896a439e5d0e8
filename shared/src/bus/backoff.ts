/** How long a message that could not be handled waits before it is delivered again. */

const firstMs = 1_000;
const longestMs = 60_000;

/**
 * One second, doubling to a minute, each between three quarters and the whole of that, so that messages which failed together do not all
 * come back together.
 *
 * @param deliveries how often the message has been delivered, from 1
 * @param random from 0 to 1
 */
export function redeliveryDelayMs(deliveries: number, random: number): number {
  const wholeMs = Math.min(longestMs, firstMs * 2 ** Math.min(deliveries - 1, 16));
  return Math.round(wholeMs * (0.75 + 0.25 * random));
}
