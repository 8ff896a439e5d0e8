import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MeasuringPlan } from './measuring-plan.ts';
import { mayastorQueries, problemOfTemplate, quantities, renderQuery, shardKeyOf, shardsFor, volumesPerQueryMax } from './queries.ts';

const plan: MeasuringPlan = { windowMs: 3_600_000, stepMs: 300_000, points: 12, scrapes: 120 };

describe('templates', () => {
  it('fills every placeholder', () => {
    const shard = { key: 'all', pattern: '.+' };
    expect(renderQuery('a{$label=~"$shard"}[$window:$step] / $points >= $scrapes', { plan, shard, label: 'volume' })).toBe(
      'a{volume=~".+"}[3600000ms:300000ms] / 12 >= 120',
    );
  });

  it('keeps what is PromQL and not a placeholder', () => {
    const shard = { key: 'all', pattern: '.+' };
    expect(renderQuery('label_replace(a{b=~"c$"}, "d", "$1", "e", "(.*)")', { plan, shard, label: 'x' })).toContain('"c$"}, "d", "$1"');
  });

  it('can be used as they come, and leave nothing unfilled', () => {
    for (const quantity of quantities) {
      expect(problemOfTemplate(mayastorQueries[quantity])).toBeUndefined();
      expect(renderQuery(mayastorQueries[quantity], { plan, shard: { key: 'all', pattern: '.+' }, label: 'pv_name' })).not.toContain('$');
    }
  });

  it.each([
    ['rate(a{$shard}[$windw])', 'unknown placeholder $windw'],
    ['rate(a[$window])', 'must contain $shard'],
    ['rate(a{b=~"$shard"}[5m])', 'must contain $window'],
  ])('refuses %s', (template, problem) => {
    expect(problemOfTemplate(template)).toContain(problem);
  });
});

describe('shards', () => {
  it('are one up to 20,000 volumes and sixteen above', () => {
    expect(shardsFor(0)).toHaveLength(1);
    expect(shardsFor(volumesPerQueryMax)).toHaveLength(1);
    expect(shardsFor(volumesPerQueryMax + 1)).toHaveLength(16);
  });

  it('put each volume into exactly the one that is asked for it, by id or pv name, in any case', () => {
    const shards = shardsFor(volumesPerQueryMax + 1);
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), fc.boolean(), (uuid, prefixed, upper) => {
        const id = upper ? uuid.toUpperCase() : uuid;
        const name = prefixed ? `pvc-${id}` : id;
        const matching = shards.filter(({ pattern }) => new RegExp(`^(?:${pattern})$`).test(name));
        expect(matching.map(({ key }) => key)).toEqual([shardKeyOf(id, shards)]);
      }),
    );
  });
});
