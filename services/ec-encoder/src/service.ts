/** ec-encoder: keeps volumes and blobs on drives, erasure-coded. */
import type { ServiceDefinition } from '@couchestor/shared/service';
import { ecEncoderOptions } from './config.ts';
import { serveVault } from './serve-vault.ts';
import { openVault } from './vault/vault.ts';

export const ecEncoder: ServiceDefinition<typeof ecEncoderOptions> = {
  name: 'ec-encoder',
  summary: 'Keeps block volumes and blobs on drives, erasure-coded, so that drives may be lost and no byte is.',
  options: ecEncoderOptions,
  // It connects by itself and in the background: NATS that is away must not keep a vault from its clients.
  usesBus: false,
  start: (context) => serveVault(context, openVault),
};
