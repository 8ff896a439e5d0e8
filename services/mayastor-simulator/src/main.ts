import { runServices } from '@couchestor/shared/service';
import { mayastorSimulator } from './service.ts';

process.exitCode = await runServices({
  name: 'mayastor-simulator',
  services: [mayastorSimulator],
  argv: process.argv.slice(2),
  env: process.env,
});
