/** The cluster that a scenario describes, at its start. */
import { type Cluster, type Effect, type Replica, reservedPoolKey, reservedPoolValue, type Volume } from './cluster.ts';
import { createNexus } from './nexus.ts';
import { nextFraction, seededRandom, uuidOfName } from './random.ts';
import { createReplica } from './replicas.ts';
import type { Scenario, ScenarioVolume } from './scenario.ts';
import { takeSnapshot } from './snapshots.ts';
import { observe } from './views.ts';

export const volumeNameLabel = 'couchestor-name';

/** @param seed overrules the scenario's, for runs over many seeds */
export function createCluster(scenario: Scenario, seed: number = scenario.seed, nowMs = 0): { cluster: Cluster; effects: Effect[] } {
  const random = seededRandom(seed);
  const { mayastorVersion, rebuildBytesPerSecond, rebuildsMax, cacheLagMs, operationMs, reconcileMs, faultedChildWaitMs, failoverMs } =
    scenario;
  const cluster: Cluster = {
    settings: { mayastorVersion, rebuildBytesPerSecond, rebuildsMax, cacheLagMs, operationMs, reconcileMs, faultedChildWaitMs, failoverMs },
    quirks: {
      cordonedNodeBeforeTopology: nextFraction(random) < 0.5,
      cordonedPoolPreferred: nextFraction(random) < 0.5,
      unreachableReplicaKeepsPlace: nextFraction(random) < 0.5,
    },
    random,
    nowMs,
    revision: 1,
    nodes: Object.fromEntries(scenario.nodes.map((node) => [node.id, { ...node, online: true, cordonLabels: [], drainLabels: [] }])),
    pools: Object.fromEntries(
      scenario.pools.map((pool) => [
        pool.id,
        {
          ...pool,
          disks: [`aio:///dev/disk/by-id/${pool.id}`],
          online: true,
          labels: { [reservedPoolKey]: reservedPoolValue, ...pool.labels },
          cordon: { replicas: false, snapshots: false, restores: false, import: false },
        },
      ]),
    ),
    volumes: {},
    replicas: {},
    snapshots: {},
    faults: { nextId: 1, list: [] },
    late: { nextTicket: 1, calls: [] },
    observed: undefined,
    nextObserveMs: nowMs + cacheLagMs,
    nextReconcileMs: nowMs + reconcileMs,
    underReplicatedMs: 0,
  };
  const effects: Effect[] = [];
  for (const wanted of scenario.volumes) {
    placeVolume({ cluster, effects }, wanted);
  }
  cluster.observed = cacheLagMs > 0 ? observe(cluster) : undefined;
  return { cluster, effects };
}

function placeVolume(turn: { cluster: Cluster; effects: Effect[] }, wanted: ScenarioVolume): void {
  const { cluster, effects } = turn;
  const volume = volumeOf(wanted);
  cluster.volumes[volume.uuid] = volume;
  effects.push({ kind: 'volume-created', volume: volume.uuid, sizeBytes: volume.sizeBytes });
  const replicas: Replica[] = wanted.pools.flatMap((id) => {
    const pool = cluster.pools[id];
    return pool === undefined ? [] : createReplica(turn, { pool, volume, sizeBytes: volume.sizeBytes, thin: volume.thin, healthy: true });
  });
  const firstNode = cluster.pools[replicas[0]?.pool ?? '']?.node;
  const target = wanted.targetNode ?? firstNode;
  if (wanted.published && target !== undefined) {
    createNexus(turn, volume, target);
    volume.frontendNodes = [target];
  }
  for (let index = 0; index < wanted.snapshots; index += 1) {
    takeSnapshot(turn, volume, uuidOfName(`${wanted.name} snapshot ${index}`));
  }
}

function volumeOf(wanted: ScenarioVolume): Volume {
  const { presence, inclusion, allowedNodes, nodeInclusion, nodeSpread } = wanted.topology;
  return {
    uuid: wanted.uuid ?? uuidOfName(wanted.name),
    sizeBytes: wanted.sizeBytes,
    numReplicas: wanted.replicas,
    replicasFloor: wanted.replicas,
    thin: wanted.thin,
    selfHeal: wanted.selfHeal,
    labels: { [volumeNameLabel]: wanted.name, ...wanted.labels },
    topology: {
      poolInclusion: { [reservedPoolKey]: reservedPoolValue, ...Object.fromEntries(presence.map((key) => [key, ''])), ...inclusion },
      poolExclusion: {},
      allowedNodes,
      preferredNodes: undefined,
      nodeInclusion,
      nodeSpread,
    },
    affinityGroup: wanted.affinityGroup,
    maxSnapshots: undefined,
    replicas: [],
    nexus: undefined,
    frontendNodes: [],
    operation: undefined,
    allocatedBytes: Math.floor((wanted.sizeBytes * wanted.filledPercent) / 100),
    rebuilds: [],
  };
}
