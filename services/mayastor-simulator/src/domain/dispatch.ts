/** Finds the route of a request and runs it. */
import type { Cluster, Observed, Turn } from './cluster.ts';
import { Refusal, statusOfKind } from './refusal.ts';
import type { Answer, ModelRequest } from './request.ts';
import { nodeRoutes } from './routes/node-routes.ts';
import { poolRoutes } from './routes/pool-routes.ts';
import { replicaRoutes } from './routes/replica-routes.ts';
import type { Route } from './routes/route.ts';
import { snapshotRoutes } from './routes/snapshot-routes.ts';
import { volumeRoutes } from './routes/volume-routes.ts';

const prefix = '/v0';
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const uuidParams = new Set(['volume', 'replica', 'nexus', 'snapshot']);

interface CompiledRoute {
  readonly route: Route;
  readonly segments: readonly string[];
}

/** By method and number of segments. Fixed segments come before parameters: /volumes/snapshots is no volume. */
const routes = compile([...nodeRoutes, ...poolRoutes, ...snapshotRoutes, ...volumeRoutes, ...replicaRoutes]);

/** The answer of the control plane as it stands, without faults. An unknown route is a 404 with an empty body. */
export function dispatch(turn: Turn, request: ModelRequest, seen: Observed | undefined = turn.cluster.observed): Answer {
  const found = findRoute(turn.cluster, request);
  if (found === undefined) {
    return { status: 404, body: undefined, delayMs: 0 };
  }
  if (request.method !== 'GET') {
    turn.cluster.revision += 1;
  }
  try {
    for (const [name, value] of Object.entries(found.params)) {
      if (uuidParams.has(name) && !uuidPattern.test(value)) {
        throw new Refusal('Deserialize', 'Deserialize', `Path deserialize error: "${value}" is not a uuid`);
      }
    }
    const answer = found.route.run({ turn, params: found.params, query: request.query ?? {}, body: request.body, seen });
    return { delayMs: 0, ...answer };
  } catch (error) {
    if (error instanceof Refusal) {
      return { status: statusOfKind[error.body.kind], body: error.body, delayMs: 0 };
    }
    throw error;
  }
}

/** Calls that were held back and whose time has come. */
export function deliverLateCalls(turn: Turn): void {
  const { late, nowMs } = turn.cluster;
  const due = late.calls.filter((call) => call.atMs <= nowMs);
  late.calls = late.calls.filter((call) => call.atMs > nowMs);
  for (const call of due) {
    const { status, body } = dispatch(turn, call.request);
    if (call.awaited) {
      turn.effects.push({ kind: 'answered', ticket: call.ticket, status, body });
    }
  }
}

function findRoute(cluster: Cluster, request: ModelRequest): { route: Route; params: Record<string, string> } | undefined {
  if (!request.path.startsWith(`${prefix}/`)) {
    return undefined;
  }
  const segments = request.path.slice(prefix.length + 1).split('/');
  for (const { route, segments: wanted } of routes.get(`${request.method} ${segments.length}`) ?? []) {
    const params = match(wanted, segments);
    if (params !== undefined && (route.since === undefined || cluster.settings.mayastorVersion === route.since)) {
      return { route, params };
    }
  }
  return undefined;
}

function match(wanted: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (let index = 0; index < wanted.length; index += 1) {
    const want = wanted[index] ?? '';
    const segment = segments[index] ?? '';
    if (want.startsWith(':')) {
      const value = decode(segment);
      if (value === undefined || value === '') {
        return undefined;
      }
      params[want.slice(1)] = value;
    } else if (want !== segment) {
      return undefined;
    }
  }
  return params;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function compile(all: readonly Route[]): Map<string, CompiledRoute[]> {
  const compiled = new Map<string, CompiledRoute[]>();
  for (const route of all) {
    const segments = route.path.slice(1).split('/');
    const key = `${route.method} ${segments.length}`;
    compiled.set(key, [...(compiled.get(key) ?? []), { route, segments }]);
  }
  return compiled;
}
