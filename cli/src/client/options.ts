/** Options of the commands that ask a running system. */
import { defineOptions } from '@couchestor/shared/options';

export const clientOptions = defineOptions({
  natsUrl: {
    flag: 'nats-url',
    env: 'NATS_URL',
    kind: 'url',
    protocols: ['nats', 'tls'],
    optional: true,
    description: 'NATS server to ask through. Absent: that of the local stack that runs, else nats://127.0.0.1:4222.',
  },
  dataDir: { flag: 'data-dir', env: 'COUCHESTOR_DATA_DIR', kind: 'path', optional: true, description: 'Data folder of the local stack.' },
  timeoutMs: { flag: 'timeout', kind: 'duration', default: 5_000, max: 600_000, description: 'How long to wait for an answer.' },
  json: { flag: 'json', kind: 'boolean', description: 'Print one JSON document instead of a table.' },
});

export interface ClientValues {
  readonly natsUrl: string | undefined;
  readonly dataDir: string | undefined;
  readonly timeoutMs: number;
  readonly json: boolean;
}
