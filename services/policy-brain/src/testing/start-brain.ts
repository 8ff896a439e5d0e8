/** The brain as its process runs it, in this process. */
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { Health } from '@couchestor/shared/health';
import { Lifecycle } from '@couchestor/shared/lifecycle';
import { readOptions } from '@couchestor/shared/options';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { Registry } from 'prom-client';
import { brainOptions } from '../config.ts';
import { policyBrain } from '../service.ts';

export interface RunningBrain {
  readonly bus: Bus;
  readonly health: Health;
  readonly registry: Registry;
  stop(): Promise<void>;
}

export interface StartBrainInput {
  readonly natsUrl: string;
  readonly mayastorUrl: string;
  readonly policyDir: string;
  readonly flags?: readonly string[];
  /** Resolves as soon as the brain stands by, where another one leads. */
  readonly standby?: boolean;
  /** A bus with faults. */
  readonly spoil?: (bus: Bus) => Bus;
}

export async function startBrain(o: StartBrainInput): Promise<RunningBrain> {
  const logger = quietLogger();
  const argv = ['--policy-dir', o.policyDir, '--mayastor-url', o.mayastorUrl, ...(o.flags ?? [])];
  const config = readOptions(brainOptions, { argv, env: {} }).values;
  const lifecycle = new Lifecycle({ logger });
  const registry = new Registry();
  const health = new Health();
  const bus = await connectBus({ url: o.natsUrl, name: 'policy-brain', logger });
  lifecycle.onStop({ name: 'bus', budgetMs: 2_000, stop: () => bus.close() });
  await policyBrain.start({ config, env: {}, logger, registry, health, lifecycle, bus: o.spoil?.(bus) ?? bus });
  health.setServing(true);
  if (o.standby !== true) {
    await waitUntil(async () => /^couchestor_brain_leader 1$/m.test(await registry.metrics()), { what: 'the brain to lead' });
  }
  return { bus, health, registry, stop: () => lifecycle.stop('the test is over') };
}
