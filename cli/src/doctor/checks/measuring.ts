/** Whether what decisions rest on is measured: the exporter's series, and clocks that agree. */
import { isPublished } from '@couchestor/shared/mayastor/read';
import { amiss, type Check, count, notChecked, ok } from '../check.ts';
import type { ClockFacts } from '../facts.ts';

/** A skew of seconds shifts windows; one of a minute makes samples stale before they come. */
const skewWarnMs = 5_000;
const skewProblemMs = 60_000;

export const exporterScraped: Check = {
  id: 'exporter',
  asks: "Has Prometheus the series of Mayastor's exporter, of all published volumes and from all nodes?",
  judge: ({ prometheus, mayastor }) => {
    if (prometheus.kind === 'absent') {
      return notChecked(prometheus.why);
    }
    if (prometheus.kind === 'failed') {
      return amiss('problem', {
        finding: `Prometheus does not answer: ${prometheus.why}`,
        cure: 'correct --prometheus-url, or start Prometheus',
      });
    }
    const { volumesMeasured, targets } = prometheus.value;
    const published = mayastor.kind === 'seen' ? mayastor.value.cluster.volumes.filter(isPublished).length : undefined;
    const down = targets.filter(({ up }) => !up).map(({ instance }) => `target ${instance} is down`);
    const measured = `${volumesMeasured} of ${published === undefined ? 'an unknown number of' : published} published volumes have volume_num_read_ops`;
    const scrape = 'let Prometheus scrape port 9502, path /metrics, of every io-engine pod (container metrics-exporter-io-engine)';
    if (targets.length === 0) {
      return amiss('problem', { finding: `no series of the exporter in the last hour; ${measured}`, cure: scrape });
    }
    if (down.length > 0) {
      return amiss('problem', {
        finding: `${down.length} of ${count(targets.length, 'target')} down; ${measured}`,
        details: down,
        cure: scrape,
      });
    }
    return published !== undefined && volumesMeasured < published
      ? amiss('warning', {
          finding: `${count(targets.length, 'target')} up; ${measured}`,
          cure: `the others were published within the last minutes, or their nodes are not scraped: ${scrape}`,
        })
      : ok(`${count(targets.length, 'target')} up; ${measured}`);
  },
};

export const clocksAgree: Check = {
  id: 'clocks',
  asks: 'Do the clocks of Mayastor, the API server and Prometheus agree with this one?',
  judge: ({ clocks }) => {
    const seen = clocks.flatMap(({ seen: looked }) => (looked.kind === 'seen' ? [looked.value] : []));
    if (seen.length === 0) {
      return notChecked(clocks.map(({ whose, seen: looked }) => `${whose}: ${looked.kind === 'seen' ? '' : looked.why}`).join('; '));
    }
    const worstMs = Math.max(...seen.map(skewMs));
    const told = seen.map(clockWords).join(', ');
    return worstMs < skewWarnMs
      ? ok(told)
      : amiss(worstMs < skewProblemMs ? 'warning' : 'problem', {
          finding: told,
          cure: 'let NTP keep the clocks of all nodes, and of this machine; a window is measured by the clock of whoever asks',
        });
  },
};

/** What it is at least, whatever the way took. */
function skewMs({ aheadMs, uncertaintyMs }: ClockFacts): number {
  return Math.max(0, Math.abs(aheadMs) - uncertaintyMs);
}

function clockWords(clock: ClockFacts): string {
  const skew = skewMs(clock);
  return skew === 0
    ? `${clock.whose} agrees to ${(clock.uncertaintyMs / 1_000).toFixed(1)} s`
    : `${clock.whose} is at least ${(skew / 1_000).toFixed(1)} s ${clock.aheadMs > 0 ? 'ahead' : 'behind'}`;
}
