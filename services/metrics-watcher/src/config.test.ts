import { readOptions } from '@couchestor/shared/options';
import { describe, expect, it } from 'vitest';
import { templatesOf, watcherOptions } from './config.ts';
import { mayastorQueries } from './domain/queries.ts';

function read(...argv: string[]) {
  return readOptions(watcherOptions, { argv, env: {} }).values;
}

describe('the watcher’s options', () => {
  it('measure Mayastor’s own series unless told otherwise', () => {
    expect(templatesOf(read())).toEqual(mayastorQueries);
  });

  it('take another exporter’s series, and no latency', () => {
    const template = 'sum by (volume) (avg_over_time(my_reads{volume=~"$shard"}[$window]))';
    const templates = templatesOf(read('--read-iops-query', template, '--read-latency-query', 'none', '--volume-label', 'volume'));
    expect(templates.readIops).toBe(template);
    expect(templates.readLatencyUs).toBeUndefined();
  });

  it('name the flag and the fault of a template that cannot be used', () => {
    expect(() => read('--coverage-query', 'a[$windowed]', '--write-iops-query', 'none')).toThrow(
      /--write-iops-query .*cannot be "none"[\s\S]*--coverage-query .*\$windowed/,
    );
  });
});
