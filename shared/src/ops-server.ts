/** What operators and orchestrators ask of every service: /metrics on one address; /healthz and /readyz on another, or the same. */
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { loopbackUrl, parseAddress } from './address.ts';
import { defineErrors } from './errors.ts';
import type { Health } from './health.ts';

export const OpsServerError = defineErrors('OPS', {
  ADDRESS_IN_USE: {
    retry: false,
    help: 'Another process listens on this address. Stop it, or choose another address with the flag named.',
  },
  CANNOT_LISTEN: { retry: false, help: 'This address cannot be listened on. Correct the flag named.' },
});

export interface OpsServer {
  readonly metricsUrl: string;
  readonly healthUrl: string;
  close(): Promise<void>;
}

export async function startOpsServer(o: {
  metricsAddr: string;
  healthAddr: string;
  registry: Registry;
  health: Health;
}): Promise<OpsServer> {
  const metricsServer = newServer();
  addMetrics(metricsServer, o.registry);
  // Port 0 asks for a port of its own each time, so equal addresses are one server only where they name a port.
  const isShared = o.metricsAddr === o.healthAddr && parseAddress(o.metricsAddr).port !== 0;
  if (isShared) {
    addHealth(metricsServer, o.health);
    const url = await listen(metricsServer, { address: o.metricsAddr, flag: '--metrics-addr' });
    return { metricsUrl: url, healthUrl: url, close: () => metricsServer.close() };
  }
  const healthServer = newServer();
  addHealth(healthServer, o.health);
  const metricsUrl = await listen(metricsServer, { address: o.metricsAddr, flag: '--metrics-addr' });
  try {
    const healthUrl = await listen(healthServer, { address: o.healthAddr, flag: '--health-addr' });
    return { metricsUrl, healthUrl, close: async () => void (await Promise.all([metricsServer.close(), healthServer.close()])) };
  } catch (error) {
    await metricsServer.close();
    throw error;
  }
}

function newServer(): FastifyInstance {
  // Scrapers keep their connections open; closing must not wait for them.
  const server = fastify({ forceCloseConnections: true });
  server.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain').send('not found\n'));
  return server;
}

function addMetrics(server: FastifyInstance, registry: Registry): void {
  server.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}

function addHealth(server: FastifyInstance, health: Health): void {
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const readiness = await health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
}

async function listen(server: FastifyInstance, o: { address: string; flag: string }): Promise<string> {
  const { host, port } = parseAddress(o.address);
  try {
    await server.listen({ host, port });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new OpsServerError(code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'CANNOT_LISTEN', { flag: o.flag, address: o.address }, { cause });
  }
  const bound = server.server.address();
  return loopbackUrl({ host, port: typeof bound === 'object' && bound !== null ? bound.port : port });
}
