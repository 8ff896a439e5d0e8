/** What is done to a vault while no process serves it: for the command line. */
import type { OperationResult } from '@couchestor/shared/contracts/vault';
import type { Logger } from '@couchestor/shared/logger';
import { Registry } from 'prom-client';
import { readPolicy } from './adapters/read-policy.ts';
import { type ReindexConfig, readPlaces } from './config.ts';
import { reindexVault } from './vault/reindex.ts';
import { restoreVault } from './vault/restore.ts';
import type { LongCall } from './vault/vault-api.ts';

export interface OfflineCall extends LongCall {
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
}

/** Makes the index anew from the drives. */
export async function reindex(config: ReindexConfig, { env, logger, ...call }: OfflineCall): Promise<OperationResult> {
  const places = readPlaces(config);
  const policy = await readPolicy(config, { env, logger, registry: new Registry() });
  return reindexVault({ ...places, ...(policy === undefined ? {} : { policy }), env, logger }, call);
}

/** Puts a backup into a data folder. */
export async function restore(
  o: { from: string; dataDir: string; replace: boolean },
  { logger, ...call }: OfflineCall,
): Promise<OperationResult> {
  return restoreVault({ ...o, logger }, call);
}
