/** A client of the vault that was meant, for the length of one command. */
import { readFile } from 'node:fs/promises';
import { apiSocketOf } from '@couchestor/ec-encoder/config';
import { VaultClient, type VaultClientInput } from '@couchestor/shared/vault-client';
import { CliError, usageError } from '../errors.ts';
import { findRunningStack } from '../stack/find-running.ts';
import { layoutOf } from '../stack/layout.ts';
import type { VaultValues } from './options.ts';

export async function withVault<T>(
  o: { values: VaultValues; env: NodeJS.ProcessEnv },
  use: (client: VaultClient) => Promise<T>,
): Promise<T> {
  const client = new VaultClient({ at: await placeOf(o), timeoutMs: o.values.timeoutMs });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function placeOf({ values, env }: { values: VaultValues; env: NodeJS.ProcessEnv }): Promise<VaultClientInput['at']> {
  const { apiUrl: url, apiTokenFile, dataDir } = values;
  if (url !== undefined) {
    return apiTokenFile === undefined ? { url } : { url, token: await tokenIn(apiTokenFile) };
  }
  if (dataDir !== undefined) {
    return { unixPath: apiSocketOf(dataDir) };
  }
  const stack = await findRunningStack({ dataDir: undefined, env });
  if (stack === undefined) {
    throw usageError('which vault? Name its data folder with --data-dir (EC_DATA_DIR), or its API with --api-url (EC_API_URL).');
  }
  return { unixPath: apiSocketOf(layoutOf({ dataDir: stack.dataDir, env }).vaultDir) };
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new CliError('MISSING_FILE', { file }, { cause });
  }
}
