/** Options of the commands that run the local stack. */
import { defineOptions } from '@couchestor/shared/options';

export const stackOptions = defineOptions({
  dataDir: {
    flag: 'data-dir',
    env: 'COUCHESTOR_DATA_DIR',
    kind: 'path',
    optional: true,
    description: 'Where everything is kept. Absent: couchestor/local in $XDG_STATE_HOME or ~/.local/state; for `demo` a temporary folder.',
  },
  noInstall: {
    flag: 'no-install',
    env: 'COUCHESTOR_NO_INSTALL',
    kind: 'boolean',
    description: 'Download nothing: fail where a server is missing, saying what to install.',
  },
});
