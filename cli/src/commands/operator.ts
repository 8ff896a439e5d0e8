/** `couchestor operator`: watcher, brain and migrator in one process, as one pod runs them. */
import { metricsWatcher } from '@couchestor/metrics-watcher/service';
import { migrator } from '@couchestor/migrator/service';
import { policyBrain } from '@couchestor/policy-brain/service';
import { runServices } from '@couchestor/shared/service';
import type { Command } from '../command.ts';

export const operator: Command = {
  run: ({ argv, env }) => runServices({ name: 'couchestor', services: [metricsWatcher, policyBrain, migrator], argv, env }),
};
