/** The watcher, wired: Prometheus and Mayastor in, `volume.sampled` out. */
import { volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { openMayastor } from '@couchestor/shared/mayastor/discover';
import type { ServiceDefinition } from '@couchestor/shared/service';
import { Prometheus } from './adapters/prometheus.ts';
import { VolumeLister } from './adapters/volume-list.ts';
import { templatesOf, watcherOptions } from './config.ts';
import { ConditionLog } from './handlers/condition-log.ts';
import { startSampleLoop } from './handlers/sample-loop.ts';
import { watcherMetrics } from './metrics.ts';

const stopBudgetMs = 5_000;

export const metricsWatcher: ServiceDefinition<typeof watcherOptions> = {
  name: 'metrics-watcher',
  summary: 'Measures how hard every volume works, and publishes it as volume.sampled.',
  options: watcherOptions,
  usesBus: true,
  async start({ config, logger, registry, bus, lifecycle }) {
    const mayastor = openMayastor(config, { requestTimeoutMs: config.watcherMayastorTimeout, logger });
    const prometheus = new Prometheus({ url: config.prometheusUrl, requestTimeoutMs: config.prometheusTimeout });
    const loop = await startSampleLoop({
      bus,
      logger,
      prometheus,
      volumeLister: new VolumeLister(mayastor),
      publish: (payload, id) => bus.publish(volumeSampled, payload, { id }),
      metrics: watcherMetrics(registry, { now: Date.now }),
      conditions: new ConditionLog(logger),
      templates: templatesOf(config),
      volumeLabel: config.volumeLabel,
      limits: { rateIntervalMs: config.rateInterval, scrapeIntervalMs: config.scrapeInterval },
      sampleIntervalMs: config.sampleInterval,
      now: Date.now,
      random: Math.random,
      signal: lifecycle.signal,
    });
    lifecycle.onStop({
      name: 'sample loop',
      budgetMs: stopBudgetMs,
      stop: async () => {
        // Ends the calls in hand: a measurement that nobody will publish is not worth waiting for.
        await Promise.all([mayastor.close(), prometheus.close()]);
        await loop.stopped;
      },
    });
  },
};
