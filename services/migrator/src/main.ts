import { runServices } from '@couchestor/shared/service';
import { migrator } from './service.ts';

process.exitCode = await runServices({ name: 'migrator', services: [migrator], argv: process.argv.slice(2), env: process.env });
