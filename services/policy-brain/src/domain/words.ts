/** Numbers and tier decisions as people read them. */
import type { Tier } from '@couchestor/shared/tiers';
import type { TierRule, Watermarks } from './decide-tier.ts';

export function formatIops(iops: number): string {
  return iops >= 10 || Number.isInteger(iops) ? String(Math.round(iops)) : iops.toFixed(1);
}

/** Why the tier follows from the mean: the second half of a decision's reason. */
export function tierWords(o: { rule: TierRule; current: Tier; watermarks: Watermarks }): string {
  const { high, warm, low } = o.watermarks;
  switch (o.rule) {
    case 'TO_HOT':
      return `at or above the high watermark ${high}: ${o.current} to hot`;
    case 'TO_COLD':
      return `at or below the low watermark ${low}: ${o.current} to cold`;
    case 'UP_TO_WARM':
      return `at or above the warm watermark ${warm}: cold to warm`;
    case 'DOWN_TO_WARM':
      return `below the warm watermark ${warm}: hot to warm`;
    case 'STAY':
      return `no watermark (high ${high}, warm ${warm === 0 ? 'off' : warm}, low ${low}) takes it out of ${o.current}`;
  }
}
