/** The watcher's options. */
import { commonOptions } from '@couchestor/shared/common-options';
import { OptionValueError } from '@couchestor/shared/option-values';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import { mayastorQueries, problemOfTemplate, type QueryTemplates } from './domain/queries.ts';

/** Instead of a latency query: the exporter has none. */
const noQuery = 'none';

const templateHelp = 'Placeholders: $window, $step, $points, $scrapes, $label, $shard. One series for each volume.';

function checkTemplate(template: string): string {
  const problem = template.trim() === noQuery ? undefined : problemOfTemplate(template);
  if (problem !== undefined) {
    throw new OptionValueError(problem);
  }
  return template;
}

function checkNeededTemplate(template: string): string {
  if (template.trim() === noQuery) {
    throw new OptionValueError(`cannot be "${noQuery}": without it nothing can be decided`);
  }
  return checkTemplate(template);
}

export const watcherOptions = defineOptions({
  prometheusUrl: commonOptions.prometheusUrl,
  mayastorNamespace: commonOptions.mayastorNamespace,
  mayastorUrl: commonOptions.mayastorUrl,
  mayastorCaFile: commonOptions.mayastorCaFile,
  mayastorTokenFile: commonOptions.mayastorTokenFile,
  sampleInterval: {
    flag: 'sample-interval',
    env: 'SAMPLE_INTERVAL',
    kind: 'duration',
    default: '1m',
    description: 'How often all volumes are measured. A measurement older than two of these counts as unknown.',
  },
  rateInterval: {
    flag: 'rate-interval',
    env: 'RATE_INTERVAL',
    kind: 'duration',
    default: '5m',
    description:
      'Longest step over which one rate is taken; a window is averaged over its steps. Shorter windows take a tenth of themselves.',
  },
  scrapeInterval: {
    flag: 'scrape-interval',
    env: 'SCRAPE_INTERVAL',
    kind: 'duration',
    default: '30s',
    description:
      'How often Prometheus scrapes the exporter. A step is at least four of these, and coverage is counted by them: a smaller value than the true one makes every coverage too low.',
  },
  prometheusTimeout: {
    flag: 'prometheus-timeout',
    env: 'PROMETHEUS_TIMEOUT',
    kind: 'duration',
    default: '15s',
    max: 600_000,
    description: 'Longest that one query may take.',
  },
  watcherMayastorTimeout: {
    flag: 'volume-list-timeout',
    env: 'VOLUME_LIST_TIMEOUT',
    kind: 'duration',
    default: '15s',
    max: 600_000,
    description: "Longest that one page of Mayastor's volume list may take.",
  },
  volumeLabel: {
    flag: 'volume-label',
    env: 'VOLUME_LABEL',
    kind: 'string',
    default: 'pv_name',
    description: 'The label that names the volume in the series, by its id or as pvc-<id>.',
  },
  readIopsQuery: {
    flag: 'read-iops-query',
    env: 'READ_IOPS_QUERY',
    kind: 'string',
    default: mayastorQueries.readIops,
    normalize: checkNeededTemplate,
    description: `Query for the mean read operations per second. ${templateHelp}`,
  },
  writeIopsQuery: {
    flag: 'write-iops-query',
    env: 'WRITE_IOPS_QUERY',
    kind: 'string',
    default: mayastorQueries.writeIops,
    normalize: checkNeededTemplate,
    description: `Query for the mean write operations per second. ${templateHelp}`,
  },
  coverageQuery: {
    flag: 'coverage-query',
    env: 'COVERAGE_QUERY',
    kind: 'string',
    default: mayastorQueries.coverage,
    normalize: checkNeededTemplate,
    description: `Query for the part of the window that was measured, 0 to 1. ${templateHelp}`,
  },
  readLatencyQuery: {
    flag: 'read-latency-query',
    env: 'READ_LATENCY_QUERY',
    kind: 'string',
    default: mayastorQueries.readLatencyUs,
    normalize: checkTemplate,
    description: `Query for the mean read latency in microseconds; "${noQuery}" where the exporter has none. ${templateHelp}`,
  },
  writeLatencyQuery: {
    flag: 'write-latency-query',
    env: 'WRITE_LATENCY_QUERY',
    kind: 'string',
    default: mayastorQueries.writeLatencyUs,
    normalize: checkTemplate,
    description: `Query for the mean write latency in microseconds; "${noQuery}" where the exporter has none. ${templateHelp}`,
  },
});

export type WatcherConfig = OptionValues<typeof watcherOptions>;

export function templatesOf(config: WatcherConfig): QueryTemplates {
  const optional = (template: string): string | undefined => (template === noQuery ? undefined : template);
  return {
    readIops: config.readIopsQuery,
    writeIops: config.writeIopsQuery,
    coverage: config.coverageQuery,
    readLatencyUs: optional(config.readLatencyQuery),
    writeLatencyUs: optional(config.writeLatencyQuery),
  };
}
