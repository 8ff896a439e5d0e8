import { runServices } from '@couchestor/shared/service';
import { policyBrain } from './service.ts';

process.exitCode = await runServices({ name: 'policy-brain', services: [policyBrain], argv: process.argv.slice(2), env: process.env });
