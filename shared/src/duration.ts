/**
 * The duration grammar of the custom resources: digits and a unit (s, m, h, d, any case), repeated, as in "1h30m".
 * A trailing bare number counts as seconds. The sum must be above zero.
 */
export function parseDurationMs(text: string): number {
  const trimmed = text.trim();
  if (!/^(\d+[smhd])*(\d+)?$/i.test(trimmed) || trimmed === '') {
    throw new RangeError(`"${text}" is not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h`);
  }
  let totalMs = 0;
  for (const [, digits, unit] of trimmed.matchAll(/(\d+)([smhd]?)/gi)) {
    totalMs += Number(digits) * unitMs(unit ?? '');
  }
  if (totalMs <= 0 || !Number.isSafeInteger(totalMs)) {
    throw new RangeError(`"${text}" is not a usable duration: it must be above zero`);
  }
  return totalMs;
}

/** A duration for people: "1h 30m", "45s", "320ms". At most two units. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) {
    return `${Math.round(ms)}ms`;
  }
  const parts: string[] = [];
  let rest = Math.round(ms / 1_000);
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) {
      parts.push(`${count}${unit}`);
    }
  }
  return parts.slice(0, 2).join(' ');
}

function unitMs(unit: string): number {
  switch (unit.toLowerCase()) {
    case 'm':
      return 60_000;
    case 'h':
      return 3_600_000;
    case 'd':
      return 86_400_000;
    default:
      return 1_000;
  }
}
