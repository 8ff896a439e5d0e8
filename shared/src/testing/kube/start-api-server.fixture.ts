/** Starts an API server, pauses it and says where it is: killed from outside, it must leave nothing behind. */
import { startKubeApiServer } from './api-server.ts';

const server = await startKubeApiServer({ own: true });
server.pause();
process.stdout.write(`${server.url} ${server.kubeconfig}\n`);
setInterval(() => undefined, 60_000);
