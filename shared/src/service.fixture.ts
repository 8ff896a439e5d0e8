/** A service without a bus, run as a process by service.test.ts. What it does is told by its options. */
import { commonOptions } from './common-options.ts';
import { defineOptions } from './options.ts';
import { runServices, type ServiceDefinition } from './service.ts';
import { sleep } from './time.ts';

const options = defineOptions({
  simulator: commonOptions.simulator,
  stopTakesMs: {
    flag: 'stop-takes-ms',
    env: 'STOP_TAKES_MS',
    kind: 'integer',
    min: 0,
    default: 0,
    description: 'How long stopping takes.',
  },
  fault: {
    flag: 'fault',
    env: 'FAULT',
    kind: 'enum',
    values: ['none', 'start', 'rejection', 'leak'],
    default: 'none',
    description: 'What goes wrong.',
  },
});

const fixture: ServiceDefinition<typeof options> = {
  name: 'fixture',
  summary: 'Serves as an example.',
  options,
  usesBus: false,
  async start({ config, lifecycle, logger }) {
    if (config.fault === 'start') {
      throw new Error('no such disk');
    }
    if (config.fault === 'rejection') {
      void Promise.reject(new Error('nobody catches this'));
    }
    if (config.fault === 'leak') {
      setInterval(() => undefined, 1_000);
    }
    lifecycle.onStop({
      name: 'work',
      budgetMs: 60_000,
      stop: async () => {
        logger.info('finishing what is in hand');
        await sleep(config.stopTakesMs);
      },
    });
  },
};

process.exitCode = await runServices({ name: 'fixture', services: [fixture], argv: process.argv.slice(2), env: process.env });
