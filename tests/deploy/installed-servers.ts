/** NATS and Redis as the manifests configure them, on loopback. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { natsAnswers } from '@couchestor/shared/servers/answers';
import { type RunningServer, startChildServer } from '@couchestor/shared/servers/child-server';
import { freePort } from '@couchestor/shared/servers/free-port';
import { provisionServer, type ServerCommand, type ServerName } from '@couchestor/shared/servers/provision';
import { askVersion } from '@couchestor/shared/servers/version';
import { type NatsUser, natsServerConfig, natsUsers, passwordVariable } from '../../scripts/manifests/nats-config.ts';
import { root } from './manifests.ts';

const host = '127.0.0.1';

export interface InstalledServer extends RunningServer {
  readonly port: number;
}

/** Logs into nats.log of the folder. */
export async function startInstalledNats(folder: string, passwords: Readonly<Record<NatsUser, string>>): Promise<InstalledServer> {
  const port = await freePort();
  const command = await program('nats-server');
  const version = await askVersion('nats-server', command);
  const config = natsServerConfig({ version, storeDir: join(folder, 'jetstream'), servers: 1, users: natsUsers })
    .replace('port: 4222', `host: ${host}\nport: ${port}`)
    .replace('http_port: 8222\n', '');
  const configFile = join(folder, 'nats.conf');
  await writeFile(configFile, config);
  const env = Object.fromEntries(natsUsers.map((user) => [passwordVariable(user), passwords[user]]));
  const running = await startChildServer({
    name: 'nats-server',
    command: { ...command, env: { ...command.env, ...env } },
    args: ['-c', configFile],
    logFile: join(folder, 'nats.log'),
    url: `nats://${host}:${port}`,
    answers: () => natsAnswers({ host, port }),
  });
  return { ...running, port };
}

export async function startInstalledRedis(folder: string, password: string): Promise<InstalledServer> {
  const port = await freePort();
  const configFile = join(folder, 'redis.conf');
  const config = readFileSync(join(root, 'deploy/base/redis/redis.conf'), 'utf8').replace('dir /data', `dir ${JSON.stringify(folder)}`);
  await writeFile(configFile, `${config}bind ${host}\nport ${port}\n`);
  const running = await startChildServer({
    name: 'redis-server',
    command: await program('redis-server'),
    args: [configFile, '--requirepass', password],
    logFile: join(folder, 'redis.log'),
    url: `redis://${host}:${port}`,
    answers: () => asksForPassword(port),
  });
  return { ...running, port };
}

function program(name: ServerName): Promise<ServerCommand> {
  return provisionServer(name, { install: true, log: (line) => process.stderr.write(`${line}\n`) });
}

function asksForPassword(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => socket.write('PING\r\n'));
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('-NOAUTH'));
    });
  });
}
