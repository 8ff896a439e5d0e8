/** The brain, wired: it stands by until it has the leader's lock, and then serves a term. */
import { hostname } from 'node:os';
import { openLock } from '@couchestor/shared/lock-coordination';
import type { ServiceDefinition } from '@couchestor/shared/service';
import { brainOptions } from './config.ts';
import { Leadership } from './leadership.ts';
import { brainMetrics } from './metrics.ts';
import { PolicyFeed, sourcesOf } from './sources.ts';
import { type RunningTerm, startTerm } from './term.ts';

const lockName = 'brain';
const closeBudgetMs = 1_500;
/** Every step of a term has its own budget; then the lock is given back. */
const endOfTermBudgetMs = 15_000;

export const policyBrain: ServiceDefinition<typeof brainOptions> = {
  name: 'policy-brain',
  summary: 'Decides for every volume by its policy, and requests the moves that are due. Any number may run: one leads.',
  options: brainOptions,
  usesBus: true,
  async start({ config, env, logger, registry, bus, health, lifecycle }) {
    let term: RunningTerm | undefined;
    let epochBefore = 0;
    let leads = (): boolean => false;
    const metrics = brainMetrics(registry, { sampleAgesMs: () => term?.sampleAgesMs() ?? new Map(), leads: () => leads() });

    const sources = sourcesOf(config, { env, logger, registry });
    const { catalog, kubernetes } = sources;
    const policies = new PolicyFeed(sources.policies);
    await sources.open();
    lifecycle.onStop({ name: 'policies', budgetMs: closeBudgetMs, stop: () => sources.close() });
    if (kubernetes !== undefined) {
      health.addReadiness('kubernetes', async () => kubernetes.cache.assertReadable());
    }

    const leaseMs = config.leaderLeaseSeconds * 1_000;
    const holder = `policy-brain ${hostname()} ${process.pid}`;
    const { lock, close } = openLock(config, {
      name: lockName,
      holder,
      leaseMs,
      outlastForgottenHolder: false,
      bus,
      env,
      logger,
      registry,
    });
    lifecycle.onStop({ name: 'lock', budgetMs: closeBudgetMs, stop: close });

    const leadership = await Leadership.begin({
      lock,
      leaseMs,
      startTerm: async (seat) => {
        const running = await startTerm({ config, bus, policies, catalog, kubernetes, metrics, logger, epochBefore }, seat);
        epochBefore = running.epoch;
        if (seat.stillLeads()) {
          term = running;
          metrics.epoch.set(running.epoch);
        }
      },
      onTermOver: () => {
        term = undefined;
        metrics.forgetTerm();
      },
      logger,
      signal: lifecycle.signal,
    });
    leads = () => leadership.leads;
    lifecycle.onStop({ name: 'leadership', budgetMs: endOfTermBudgetMs, stop: () => leadership.stop() });
    health.addReadiness('policy-brain', async () => (leadership.leads ? `leads, term ${term?.epoch}` : 'stands by'));
    if (!leadership.leads) {
      logger.info('standing by until the lock of the leader is ours');
    }
  },
};
