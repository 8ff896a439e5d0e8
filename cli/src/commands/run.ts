/** `couchestor run <service>`: one service in this process, as its own main.ts would run it. */
import { didYouMean } from '@couchestor/shared/did-you-mean';
import { runServices } from '@couchestor/shared/service';
import type { Command } from '../command.ts';
import { exitCodes, usageError } from '../errors.ts';

const services = {
  'metrics-watcher': async () => (await import('@couchestor/metrics-watcher/service')).metricsWatcher,
  'policy-brain': async () => (await import('@couchestor/policy-brain/service')).policyBrain,
  migrator: async () => (await import('@couchestor/migrator/service')).migrator,
  'ec-encoder': async () => (await import('@couchestor/ec-encoder/service')).ecEncoder,
  'mayastor-simulator': async () => (await import('@couchestor/mayastor-simulator/service')).mayastorSimulator,
};

const names = Object.keys(services).join(', ');

export const run: Command = {
  async run({ argv, env, output }) {
    const [name = '', ...rest] = argv;
    if (name === '--help' || name === '-h') {
      output.print(
        `Runs one service in this process.\n\nUSAGE:\n  couchestor run <service> [options]\n\nSERVICES:\n  ${names}\n\n\`couchestor run <service> --help\` lists its options.`,
      );
      return exitCodes.ok;
    }
    if (!isService(name)) {
      const meant = didYouMean(name, Object.keys(services));
      const problem =
        name === '' ? 'which service is to run?' : `there is no service "${name}"${meant === undefined ? '' : `; did you mean ${meant}?`}`;
      throw usageError(`${problem}\nServices: ${names}`);
    }
    return runServices({ name, services: [await services[name]()], argv: rest, env });
  },
};

function isService(name: string): name is keyof typeof services {
  return Object.hasOwn(services, name);
}
