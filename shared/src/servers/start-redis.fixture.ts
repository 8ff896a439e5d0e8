/** Run as a process by run.int.test.ts: starts Redis in the folder that it is given, prints its process id, and stays. */
import { provisionServer } from './provision.ts';
import { startRedisServer } from './run.ts';

const command = await provisionServer('redis-server', { install: true, log: () => undefined });
const server = await startRedisServer({ command, dataDir: process.argv[2] ?? '' });
process.stdout.write(`${server.pid}\n`);
setInterval(() => undefined, 60_000);
