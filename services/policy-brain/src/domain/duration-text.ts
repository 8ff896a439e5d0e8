/** How long a move took, as `status.migrationHistory[].duration` has it: one number and one unit. */

const minuteMs = 60_000;
const hourMs = 3_600_000;

/** `320ms`, `1.5s`, `1.5m`, `2.0h`. */
export function durationText(ms: number): string {
  if (ms < 1_000) {
    return `${Math.max(0, Math.round(ms))}ms`;
  }
  if (ms < minuteMs) {
    return `${tenths(ms / 1_000)}s`;
  }
  return ms < hourMs ? `${tenths(ms / minuteMs)}m` : `${tenths(ms / hourMs)}h`;
}

/** Cut off, not rounded: 59.99 s is not 60.0 s, which would be a minute. */
function tenths(value: number): string {
  return (Math.floor(value * 10) / 10).toFixed(1);
}
