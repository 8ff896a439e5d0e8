import { z } from 'zod';
import { type Cluster, type Pool, type PoolCordon, reservedPoolKey, reservedPoolValue } from '../cluster.ts';
import { notFound, Refusal } from '../refusal.ts';
import { nodeOnline, poolUsage } from '../status.ts';
import { poolJson } from '../views.ts';
import {
  booleanQuery,
  type Call,
  labelPair,
  noContent,
  nodeOf,
  ok,
  param,
  parseBody,
  parseQuery,
  poolOf,
  type Route,
  type RouteAnswer,
  removeLabel,
  setLabel,
} from './route.ts';

const cordonSchema = z.object({ replicas: z.boolean(), snapshots: z.boolean(), restores: z.boolean(), import: z.boolean() });
const cordonFlags = ['replicas', 'snapshots', 'restores', 'import'] as const;

const createPoolSchema = z.object({ disks: z.array(z.string().min(1)).length(1), labels: z.record(z.string(), z.string()).optional() });
const newPoolBytes = 10 * 1024 ** 3;

export const poolRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/pools',
    run: (call) => {
      const { cluster } = call.turn;
      const { volume_id: volumeId } = parseQuery(z.object({ volume_id: z.uuid().optional() }), call);
      if (volumeId !== undefined && cluster.volumes[volumeId] === undefined) {
        throw notFound('Volume', volumeId);
      }
      const hosts = (pool: Pool) =>
        Object.values(cluster.replicas).some((replica) => replica.pool === pool.id && replica.volume === volumeId);
      return ok(pools(call, (pool) => volumeId === undefined || hosts(pool)));
    },
  },
  { method: 'GET', path: '/pools/:pool', run: (call) => ok(poolJson(call.turn.cluster, poolOf(call), call.seen)) },
  { method: 'DELETE', path: '/pools/:pool', run: deletePool },
  {
    method: 'GET',
    path: '/nodes/:node/pools',
    run: (call) => {
      const node = nodeOf(call);
      return ok(pools(call, (pool) => pool.node === node.id));
    },
  },
  { method: 'GET', path: '/nodes/:node/pools/:pool', run: (call) => ok(poolJson(call.turn.cluster, poolOf(call), call.seen)) },
  { method: 'PUT', path: '/nodes/:node/pools/:pool', run: createPool },
  { method: 'DELETE', path: '/nodes/:node/pools/:pool', run: deletePool },
  {
    method: 'PUT',
    path: '/pools/:pool/label/:pair',
    run: (call) => {
      const pool = poolOf(call);
      const { overwrite } = parseQuery(z.object({ overwrite: booleanQuery.default(false) }), call);
      setLabel(pool.labels, { what: `Pool '${pool.id}'`, ...labelPair(call), overwrite });
      return ok(poolJson(call.turn.cluster, pool));
    },
  },
  {
    method: 'DELETE',
    path: '/pools/:pool/label/:key',
    run: (call) => {
      const pool = poolOf(call);
      const key = param(call, 'key');
      if (key === reservedPoolKey) {
        throw new Refusal('InvalidArgument', 'ForbiddenUnlabelKey', `Pool '${pool.id}': the reserved label '${key}' cannot be removed`);
      }
      removeLabel(pool.labels, { what: `Pool '${pool.id}'`, key });
      return ok(poolJson(call.turn.cluster, pool));
    },
  },
  { method: 'PUT', path: '/pools/:pool/cordon', since: '2.10', run: (call) => cordon(call, true) },
  { method: 'DELETE', path: '/pools/:pool/cordon', since: '2.10', run: (call) => cordon(call, false) },
];

/** Sets or clears the flags that the body names; a call that would change nothing is refused. */
function cordon(call: Call, set: boolean): RouteAnswer {
  const flags: PoolCordon = parseBody(cordonSchema, call);
  const pool = poolOf(call);
  const changed = cordonFlags.filter((flag) => flags[flag] && pool.cordon[flag] !== set);
  if (changed.length === 0) {
    throw set
      ? new Refusal('AlreadyExists', 'PoolCordon', `Pool '${pool.id}' is already cordoned`)
      : new Refusal('FailedPrecondition', 'PoolUncordon', `Pool '${pool.id}' is not cordoned so`);
  }
  for (const flag of changed) {
    pool.cordon[flag] = set;
  }
  return ok(poolJson(call.turn.cluster, pool));
}

function pools(call: Call, wanted: (pool: Pool) => boolean): unknown[] {
  const { cluster } = call.turn;
  return Object.values(cluster.pools)
    .filter(wanted)
    .map((pool) => poolJson(cluster, pool, call.seen));
}

function createPool(call: Call): RouteAnswer {
  const { cluster } = call.turn;
  const { disks, labels } = parseBody(createPoolSchema, call);
  const node = nodeOf(call);
  const id = param(call, 'pool');
  if (cluster.pools[id] !== undefined) {
    throw new Refusal('AlreadyExists', 'AlreadyExists', `Resource Kind Pool '${id}' already exists`);
  }
  if (!node.online) {
    throw new Refusal('FailedPrecondition', 'NodeNotOnline', `Node '${node.id}' is not online`);
  }
  const pool: Pool = {
    id,
    node: node.id,
    disks,
    capacityBytes: newPoolBytes,
    clusterSizeBytes: 4 * 1024 * 1024,
    encrypted: false,
    online: true,
    labels: { [reservedPoolKey]: reservedPoolValue, ...labels },
    cordon: { replicas: false, snapshots: false, restores: false, import: false },
  };
  cluster.pools[id] = pool;
  return ok(poolJson(cluster, pool));
}

/** Replicas and snapshots pin their pool. */
function deletePool(call: Call): RouteAnswer {
  const { cluster } = call.turn;
  const pool = poolOf(call);
  if (!nodeOnline(cluster, pool.node)) {
    throw new Refusal('FailedPrecondition', 'NodeNotOnline', `Node '${pool.node}' is not online`);
  }
  if (poolUsage(cluster, pool).replicas > 0 || hasSnapshots(cluster, pool)) {
    throw new Refusal('InUse', 'InUse', `Pool '${pool.id}' is in use by replicas or snapshots`);
  }
  delete cluster.pools[pool.id];
  return noContent;
}

function hasSnapshots(cluster: Cluster, pool: Pool): boolean {
  return Object.values(cluster.snapshots).some((snapshot) => snapshot.replicas.some((piece) => piece.pool === pool.id));
}
