/** Numbers and times for people. */

/** 512 B, 4.0 KiB, 1.5 GiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** 0, 3.4, 512, 12,400. */
export function formatIops(iops: number): string {
  return iops > 0 && iops < 10 ? iops.toFixed(1) : Math.round(iops).toLocaleString('en-US');
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** The wall clock, local, to the second. */
export function formatClock(at: Date): string {
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** 4.2 s. */
export function formatSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
