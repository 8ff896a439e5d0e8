import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';

const { logLevel, logJson, metricsAddr, healthAddr } = commonOptions;

export const simulatorOptions = defineOptions({
  listen: {
    flag: 'listen',
    env: 'SIMULATOR_LISTEN',
    kind: 'address',
    default: '127.0.0.1:18081',
    description: "Where Mayastor's REST API is served.",
  },
  exporterAddr: {
    flag: 'exporter-addr',
    env: 'SIMULATOR_EXPORTER_ADDR',
    kind: 'address',
    default: '127.0.0.1:19502',
    description: "Where Mayastor's metrics exporter is served.",
  },
  adminAddr: {
    flag: 'admin-addr',
    env: 'SIMULATOR_ADMIN_ADDR',
    kind: 'address',
    default: '127.0.0.1:18090',
    description: 'Where faults are set, volumes verified and figures read. Without any authentication: keep it on loopback.',
  },
  dataDir: {
    flag: 'data-dir',
    env: 'SIMULATOR_DATA_DIR',
    kind: 'path',
    default: 'data/mayastor-simulator',
    description: 'Folder of the replica files and the state of the control plane. A cluster found there goes on.',
  },
  scenario: {
    flag: 'scenario',
    env: 'SIMULATOR_SCENARIO',
    kind: 'path',
    default: 'deploy/local/start.yaml',
    description: 'Nodes, pools, volumes and loads of a fresh cluster.',
  },
  clock: {
    flag: 'clock',
    env: 'SIMULATOR_CLOCK',
    kind: 'enum',
    values: ['real', 'manual'],
    default: 'real',
    description: 'manual: time passes only by POST /time on the admin port.',
  },
  logLevel,
  logJson,
  metricsAddr,
  healthAddr,
});

export type SimulatorConfig = OptionValues<typeof simulatorOptions>;
