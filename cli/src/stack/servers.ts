/** The servers of the stack: those that the environment names, else processes of our own, on ports that stay the same when one is started again. */
import { join } from 'node:path';
import { type OpenedServer, openServer } from '@couchestor/shared/servers/open';
import type { Layout } from './layout.ts';
import type { Tell } from './progress.ts';
import type { ProcessChange } from './supervised-child.ts';
import { SupervisedServer } from './supervised-server.ts';

export interface ServersInput {
  readonly layout: Layout;
  readonly install: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly tell: Tell;
  readonly ports: { readonly nats: number; readonly redis: number; readonly prometheus: number };
  readonly scrape: { readonly address: string; readonly intervalMs: number };
  readonly onChange: (name: string, change: ProcessChange) => void;
}

const servers = [
  { name: 'nats', program: 'nats-server', dir: 'natsDir' },
  { name: 'redis', program: 'redis-server', dir: 'redisDir' },
  { name: 'prometheus', program: 'prometheus', dir: 'prometheusDir' },
] as const;

export function makeServers(o: ServersInput): SupervisedServer[] {
  return servers.map(({ name, program, dir }) => {
    const launch = (): Promise<OpenedServer> =>
      openServer(program, {
        env: o.env,
        dataDir: o.layout[dir],
        install: o.install,
        log: (line) => o.tell({ kind: 'progress', name, text: `${program}: ${line}` }),
        port: o.ports[name],
        logFile: join(o.layout.logsDir, `${name}.log`),
        prometheus: { scrapeIntervalMs: o.scrape.intervalMs, targets: [{ job: 'mayastor', address: o.scrape.address }] },
      });
    return new SupervisedServer({ name, launch, onChange: (change) => o.onChange(name, change) });
  });
}
