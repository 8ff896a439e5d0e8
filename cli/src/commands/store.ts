/** `couchestor store backup|restore`. */
import { resolve } from 'node:path';
import { defineOptions } from '@couchestor/shared/options';
import { defineCommand } from '../command.ts';
import { runOffline } from '../ec/offline.ts';
import { endOperation } from '../ec/operations.ts';
import { vaultOptions } from '../ec/options.ts';
import { takeWords } from '../ec/request.ts';
import { withVault } from '../ec/with-vault.ts';
import { unknownSubcommand, usageError } from '../errors.ts';

const subcommands = ['backup', 'restore'];

export const store = defineCommand(
  {
    usage: ['couchestor store backup <folder> [options]', 'couchestor store restore <folder> --data-dir <folder> [--replace]'],
    summary:
      'backup: copies the index of a vault that runs, and what its drives do not tell, into a new folder on its machine. restore: puts such a copy into the data folder of a vault that does not run; writes since then are found on the drives by `couchestor ec reindex`. JSON: the result, {message, bytes?, ...}.',
    options: defineOptions({
      ...vaultOptions,
      replace: { flag: 'replace', kind: 'boolean', description: 'restore: put it in the place of an index that is there.' },
    }),
    positionalsMax: 2,
  },
  async ({ values, positionals: [word = '', ...words], invocation }) => {
    if (!subcommands.includes(word)) {
      throw unknownSubcommand('store', word, subcommands);
    }
    takeWords(`store ${word}`, ['<folder>'], words);
    const folder = resolve(words[0] ?? '');
    if (word === 'backup') {
      return withVault({ values, env: invocation.env }, async (client) =>
        endOperation({ values, client, invocation, words }, await client.backup(folder)),
      );
    }
    const { dataDir } = values;
    if (dataDir === undefined) {
      throw usageError('into which vault? Name its data folder with --data-dir (EC_DATA_DIR).');
    }
    const { restore } = await import('@couchestor/ec-encoder/offline');
    return runOffline({ invocation, json: values.json, kind: 'restore' }, (call) =>
      restore({ from: folder, dataDir: resolve(dataDir), replace: values.replace }, call),
    );
  },
);
