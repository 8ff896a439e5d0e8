/** Options of the commands that ask a vault. */
import { defineOptions, type OptionValues } from '@couchestor/shared/options';

export const vaultOptions = defineOptions({
  dataDir: {
    flag: 'data-dir',
    env: 'EC_DATA_DIR',
    kind: 'path',
    optional: true,
    description: 'Data folder of the vault on this machine. Absent: that of the local stack that runs.',
  },
  apiUrl: {
    flag: 'api-url',
    env: 'EC_API_URL',
    kind: 'url',
    protocols: ['http', 'https'],
    optional: true,
    description: 'Where the API of a vault on another machine answers. Absent: the socket in the data folder.',
  },
  apiTokenFile: {
    flag: 'api-token-file',
    env: 'EC_API_TOKEN_FILE',
    kind: 'path',
    optional: true,
    description: 'File with the bearer token for --api-url.',
  },
  timeoutMs: { flag: 'timeout', kind: 'duration', default: 30_000, max: 600_000, description: 'How long to wait for an answer.' },
  json: { flag: 'json', kind: 'boolean', description: 'Print one JSON document instead of text.' },
});
export type VaultValues = OptionValues<typeof vaultOptions>;
