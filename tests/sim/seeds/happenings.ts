/** Makes an event befall a world. What cannot happen there (a node that is down already, a volume that is gone) does not. */
import type { Cluster, Node, Pool, Replica, Volume } from '@couchestor/mayastor-simulator/domain/cluster';
import { addFault } from '@couchestor/mayastor-simulator/domain/handle';
import { failOverVolume, faultReplica, setNodeOnline, setPoolOnline } from '@couchestor/mayastor-simulator/domain/mishaps';
import { uuidOfName } from '@couchestor/mayastor-simulator/domain/random';
import { faultSchema } from '@couchestor/mayastor-simulator/domain/request';
import { gateMarkKey, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { callPatterns, type Happening } from './events.ts';
import { gateKey, loadsOf } from './plan.ts';
import type { World } from './world.ts';

const mebibyte = 1024 * 1024;
const adminCordon = 'maintenance';

/** @param volumeId of the move that it waited for */
export function befall(world: World, happening: Happening, volumeId?: string): void {
  const done = act(world, happening, volumeId);
  world.findings.say('event', `${JSON.stringify(happening)}${done === undefined ? '' : ` ${done}`}`);
  world.findings.count(done === 'nothing' ? 'events without effect' : `event ${happening.kind}`);
}

function act(world: World, happening: Happening, volumeId: string | undefined): string | undefined {
  const { mayastor, broker, jobs, time } = world;
  const { model } = mayastor;
  switch (happening.kind) {
    case 'node-down': {
      const node = nth(nodesNear(world, volumeId), happening.node);
      if (node?.online !== true) {
        return 'nothing';
      }
      const turn = (online: boolean) => mayastor.befall((cluster, nowMs) => setNodeOnline(cluster, { node: node.id, online, nowMs }));
      turn(false);
      time.after(happening.forMs, () => turn(true));
      return node.id;
    }
    case 'pool-offline': {
      const pool = nth(poolsNear(world, volumeId), happening.pool);
      if (pool?.online !== true) {
        return 'nothing';
      }
      const turn = (online: boolean): void => {
        if (model.pools[pool.id] !== undefined) {
          mayastor.befall((cluster, nowMs) => setPoolOnline(cluster, { pool: pool.id, online, nowMs }));
        }
      };
      turn(false);
      time.after(happening.forMs, () => turn(true));
      return pool.id;
    }
    case 'replica-fault': {
      const volume = volumeOf(world, happening, volumeId);
      const replica = volume && nth(replicasLike(world, volume, happening.which), happening.replica);
      if (volume === undefined || replica === undefined) {
        return 'nothing';
      }
      mayastor.befall((cluster, nowMs) => {
        attempt(() => faultReplica(cluster, { volume: volume.uuid, replica: replica.uuid, forGood: happening.forGood, nowMs }));
      });
      return `${volume.uuid} ${replica.uuid} on ${replica.pool}`;
    }
    case 'fail-over': {
      const volume = volumeOf(world, happening, volumeId);
      return volume === undefined
        ? 'nothing'
        : befallen(world, (cluster, nowMs) => failOverVolume(cluster, { volume: volume.uuid, node: undefined, nowMs }));
    }
    case 'unpublish': {
      const volume = volumeOf(world, happening, volumeId);
      if (volume === undefined || mayastor.call('DELETE', `/volumes/${volume.uuid}/target?force=true`).status >= 300) {
        return 'nothing';
      }
      time.after(happening.forMs, () => publish(world, volume.uuid));
      return volume.uuid;
    }
    case 'resize': {
      const volume = volumeOf(world, happening, volumeId);
      return called(volume && mayastor.call('PUT', `/volumes/${volume.uuid}/size`, { size: volume.sizeBytes + 8 * mebibyte }));
    }
    case 'delete-volume': {
      const volume = volumeOf(world, happening, volumeId);
      return called(volume && mayastor.call('DELETE', `/volumes/${volume.uuid}`));
    }
    case 'snapshot': {
      const volume = volumeOf(world, happening, volumeId);
      return called(volume && mayastor.call('PUT', `/volumes/${volume.uuid}/snapshots/${uuidOfName(`at ${time.now()}`)}`));
    }
    case 'set-count':
      return setCount(world, volumeOf(world, happening, volumeId), happening);
    case 'cordon-pool':
      return cordonPool(world, nth(poolsNear(world, volumeId), happening.pool)?.id ?? '', happening.forMs);
    case 'cordon-node':
      return cordonNode(world, nth(nodesNear(world, volumeId), happening.node)?.id ?? '', happening);
    case 'label-pool':
      return labelPool(world, nth(poolsNear(world, volumeId), happening.pool)?.id ?? '', { ...happening, volumeId });
    case 'delete-pool': {
      const pool = nth(poolsNear(world, volumeId), happening.pool)?.id ?? '';
      const done = called(mayastor.call('DELETE', `/pools/${pool}`));
      return done ?? pool;
    }
    case 'slow-rebuilds': {
      const before = world.plan.scenario.rebuildBytesPerSecond as number;
      const set = (rate: number) => mayastor.befall((cluster) => setRebuildRate(cluster, rate));
      set(1);
      time.after(happening.forMs, () => set(before));
      return undefined;
    }
    case 'fault': {
      const { call, ...way } = happening.fault;
      mayastor.catchUp();
      addFault(model, faultSchema.parse({ match: callPatterns[call], ...way }));
      return undefined;
    }
    case 'crash':
      world.processAt(happening.process)?.dieAfter(happening.afterOperations);
      world.downMs.set(happening.process, happening.downMs);
      return undefined;
    case 'pause':
      world.processAt(happening.process)?.pauseAfter(happening.afterOperations, happening.ms);
      return undefined;
    case 'brain-away': {
      const brain = world.plan.migrators;
      world.downMs.set(brain, happening.forMs);
      world.processAt(brain)?.kill();
      return undefined;
    }
    case 'redis-lost':
      jobs.lose();
      return undefined;
    case 'redis-away':
      jobs.goAway(happening.forMs);
      return undefined;
    case 'nats-wiped':
      world.wipeNats();
      return undefined;
    case 'nats-away':
      broker.goAway(happening.forMs);
      return undefined;
    case 'samples-away':
      world.samplesAwayUntilMs = time.now() + happening.forMs;
      return undefined;
    case 'clock-jump':
      return jumpClock(world, happening);
    case 'policy':
      world.policies.change(Math.floor(happening.policy * world.policies.size), happening.change);
      world.tellPolicies();
      return undefined;
    case 'cancel': {
      const volume = volumeOf(world, happening, volumeId);
      const move = volume && world.moves.openOf(volume.uuid);
      if (move === undefined) {
        return 'nothing';
      }
      void world.cancel(move.request.moveId);
      return move.request.moveId;
    }
    case 'retry': {
      const volume = volumeOf(world, happening, volumeId);
      if (volume !== undefined) {
        void world.retry(volume.uuid);
      }
      return volume?.uuid ?? 'nothing';
    }
    case 'load': {
      const volume = volumeOf(world, happening, volumeId);
      if (volume !== undefined) {
        world.loads.set(volume.uuid, loadsOf[happening.tier]);
      }
      return volume?.uuid ?? 'nothing';
    }
  }
}

function nth<T>(items: readonly T[], fraction: number): T | undefined {
  return items[Math.floor(fraction * items.length)];
}

function volumeOf(world: World, { volume }: { volume: number }, volumeId: string | undefined): Volume | undefined {
  const { volumes } = world.mayastor.model;
  return volumeId === undefined ? nth(Object.values(volumes), volume) : volumes[volumeId];
}

/** All pools; of an open move's volume, those that it lies on and is to lie on. */
function poolsNear({ mayastor: { model }, moves }: World, volumeId: string | undefined): Pool[] {
  const own = model.volumes[volumeId ?? '']?.replicas.map((uuid) => model.replicas[uuid]?.pool ?? '') ?? [];
  const near = [...own, moves.openOf(volumeId ?? '')?.plan?.destination.pool ?? ''].flatMap((id) => model.pools[id] ?? []);
  return near.length === 0 ? Object.values(model.pools) : near;
}

function nodesNear(world: World, volumeId: string | undefined): Node[] {
  return [...new Set(poolsNear(world, volumeId).map(({ node }) => node))].flatMap((id) => world.mayastor.model.nodes[id] ?? []);
}

/** The replica that an open move has made, or the others. */
function replicasLike({ mayastor, moves }: World, volume: Volume, which: 'new' | 'old'): Replica[] {
  const before = new Set(moves.openOf(volume.uuid)?.before?.map(({ uuid }) => uuid));
  const replicas = volume.replicas.flatMap((uuid) => mayastor.model.replicas[uuid] ?? []);
  const made = before.size === 0 ? [] : replicas.filter(({ uuid }) => !before.has(uuid));
  return which === 'new' ? made : replicas.filter((replica) => !made.includes(replica));
}

function attempt(what: () => unknown): string | undefined {
  try {
    what();
    return undefined;
  } catch {
    return 'nothing';
  }
}

function befallen(world: World, what: (cluster: Cluster, nowMs: number) => unknown): string | undefined {
  let done: string | undefined;
  world.mayastor.befall((cluster, nowMs) => {
    done = attempt(() => what(cluster, nowMs));
  });
  return done;
}

function called(answer: { status: number } | undefined): string | undefined {
  return answer === undefined || answer.status >= 300 ? 'nothing' : undefined;
}

function setRebuildRate(cluster: Cluster, rate: number): void {
  for (const volume of Object.values(cluster.volumes)) {
    for (const child of volume.nexus?.children ?? []) {
      if (child.rebuild !== undefined) {
        child.rebuild = { ...child.rebuild, baseBytes: child.copiedBytes, sinceMs: cluster.nowMs };
      }
    }
  }
  cluster.settings.rebuildBytesPerSecond = rate;
}

export function publish({ mayastor }: World, volumeId: string): void {
  mayastor.call('PUT', `/volumes/${volumeId}/target`, { protocol: 'nvmf' });
}

function setCount(world: World, volume: Volume | undefined, o: { by: 1 | -1; times: number }): string | undefined {
  const { mayastor, moves, expectations } = world;
  let done: string | undefined = 'nothing';
  for (let nth = 0; volume !== undefined && nth < o.times; nth += 1) {
    if (mayastor.call('PUT', `/volumes/${volume.uuid}/replica_count/${volume.numReplicas + o.by}`).status < 300) {
      done = `${volume.uuid} has ${volume.numReplicas}`;
      expectations.counts.set(volume.uuid, volume.numReplicas);
      const marked = Object.values(mayastor.model.pools).some(({ labels }) => labels[volumeMarkKey(volume.uuid)] !== undefined);
      if (moves.openOf(volume.uuid) !== undefined || mayastor.lateCalls > 0 || marked) {
        // Who of the two has the last word is told by nobody. With NATS wiped, a mark is all that is left of a move.
        expectations.excuse(`count ${volume.uuid}`, 'somebody else set it during a move');
      }
    }
  }
  return done;
}

function cordonPool(world: World, pool: string, forMs: number | undefined): string | undefined {
  const { mayastor, expectations, time } = world;
  const flags = { replicas: true, snapshots: false, restores: false, import: false };
  if (mayastor.call('PUT', `/pools/${pool}/cordon`, flags).status >= 300) {
    return 'nothing';
  }
  expectations.cordonedPools.add(pool);
  excuseRace(world, pool);
  if (forMs !== undefined) {
    time.after(forMs, () => {
      mayastor.call('DELETE', `/pools/${pool}/cordon`, flags);
      expectations.cordonedPools.delete(pool);
      excuseRace(world, pool);
    });
  }
  return pool;
}

/** docs/safety.md: in the seconds of a gate, what people do to a pool and what we do to it cannot be told apart. */
function excuseRace({ locks, time, mayastor, expectations }: World, pool: string): void {
  if (locks.holders(time.now()).length > 0 || mayastor.lateCalls > 0 || mayastor.model.pools[pool]?.labels[gateMarkKey] !== undefined) {
    expectations.excuse(`cordon ${pool}`, 'cordoned in the seconds of a gate');
    expectations.excuse(`label ${pool}`, 'labelled in the seconds of a gate');
  }
}

function cordonNode(world: World, node: string, o: { forMs: number | undefined; drain: boolean }): string | undefined {
  const { mayastor, expectations, time } = world;
  if (mayastor.call('PUT', `/nodes/${node}/${o.drain ? 'drain' : 'cordon'}/${adminCordon}`).status >= 300) {
    return 'nothing';
  }
  const cordons = expectations.nodeCordons.get(node) ?? new Set();
  expectations.nodeCordons.set(node, cordons.add(adminCordon));
  if (o.forMs !== undefined) {
    time.after(o.forMs, () => {
      mayastor.call('DELETE', `/nodes/${node}/cordon/${adminCordon}`);
      cordons.delete(adminCordon);
    });
  }
  return node;
}

function labelPool(
  world: World,
  pool: string,
  o: { what: 'tier' | 'gate' | 'other'; forMs: number | undefined; volumeId: string | undefined },
): string | undefined {
  const { mayastor, expectations, time } = world;
  const key = { tier: 'storage-tier', gate: gateKey, other: 'rack' }[o.what];
  const labels = expectations.poolLabels.get(pool);
  const before = labels?.get(key);
  const wanted = world.moves.openOf(o.volumeId ?? '')?.request.to;
  const value = { tier: wanted ?? (before === 'hot' ? 'cold' : 'hot'), gate: undefined, other: 'r1' }[o.what];
  const set = (label: string | undefined): string | undefined => {
    const there = mayastor.model.pools[pool]?.labels[key];
    const call =
      label === undefined
        ? mayastor.call('DELETE', `/pools/${pool}/label/${key}`)
        : mayastor.call('PUT', `/pools/${pool}/label/${key}=${label}?overwrite=true`);
    if (call.status >= 300 && there !== label) {
      return 'nothing';
    }
    if (label === undefined) {
      labels?.delete(key);
    } else {
      labels?.set(key, label);
    }
    if (o.what === 'gate') {
      excuseRace(world, pool);
    }
    return undefined;
  };
  const done = set(value);
  if (done === undefined && o.forMs !== undefined) {
    time.after(o.forMs, () => set(before));
  }
  return done ?? pool;
}

function jumpClock(
  world: World,
  { whose, process, byMs }: { whose: 'nats' | 'migrator'; process: number; byMs: number },
): string | undefined {
  if (whose === 'nats') {
    world.broker.clockOffsetMs += byMs;
    world.brainJudge.clockDoubtfulUntilMs = world.time.now() + 15 * 60_000;
    return undefined;
  }
  const migrator = world.processAt(process);
  if (migrator === undefined) {
    return 'nothing';
  }
  migrator.wallOffsetMs += byMs;
  return migrator.name;
}
