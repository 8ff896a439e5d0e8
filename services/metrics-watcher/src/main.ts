import { runServices } from '@couchestor/shared/service';
import { metricsWatcher } from './service.ts';

process.exitCode = await runServices({
  name: 'metrics-watcher',
  services: [metricsWatcher],
  argv: process.argv.slice(2),
  env: process.env,
});
