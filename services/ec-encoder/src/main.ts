import { runServices } from '@couchestor/shared/service';
import { ecEncoder } from './service.ts';

process.exitCode = await runServices({ name: 'ec-encoder', services: [ecEncoder], argv: process.argv.slice(2), env: process.env });
