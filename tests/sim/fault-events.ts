/** How each event of the fault table is made to happen. Each tells whether it could. */
import type { Volume } from '@couchestor/mayastor-simulator/domain/cluster';
import { addFault, clearFaults } from '@couchestor/mayastor-simulator/domain/handle';
import { failOverVolume, faultReplica, setNodeOnline, setPoolOnline } from '@couchestor/mayastor-simulator/domain/mishaps';
import { type FaultInput, faultSchema } from '@couchestor/mayastor-simulator/domain/request';
import { gateMarkKey } from '@couchestor/shared/placement/marks';
import type { Scene } from './fault-scene.ts';
import type { FaultEvent } from './fault-table.ts';
import { cancel, gateKey, volumeId } from './house.ts';

const mebibyte = 1024 * 1024;
/** A pool of another tier that could take a replica, and which the gate therefore closes. */
const bystander = 'pool-warm-6';
const awayMs = 40_000;
/** Longer than anything in a move but the sync's timeout. */
const maintenanceMs = 600_000;
const dayMs = 24 * 3_600_000;

export const happenings: Record<FaultEvent, (scene: Scene) => boolean> = {
  'volume deleted': (scene) => insist(scene, () => scene.h.world.call('DELETE', `/volumes/${volumeId}`).status),
  'volume resized': (scene) => insist(scene, () => scene.h.world.call('PUT', `/volumes/${volumeId}/size`, { size: 96 * mebibyte }).status),
  'volume unpublished': (scene) =>
    insist(
      scene,
      () => scene.h.world.call('DELETE', `/volumes/${volumeId}/target`).status,
      () => publishAgain(scene, 900_000),
    ),
  'volume published elsewhere': (scene) =>
    insist(
      scene,
      () => scene.h.world.call('DELETE', `/volumes/${volumeId}/target`).status,
      () => publishAgain(scene, 500),
    ),
  'volume failed over': (scene) => {
    const volume = theVolume(scene);
    const node = [scene.other.node, scene.source.node].find((one) => one !== volume?.nexus?.node);
    if (volume?.nexus === undefined || node === undefined) {
      return false;
    }
    scene.h.world.befall((model, nowMs) => failOverVolume(model, { volume: volumeId, node, nowMs }));
    return true;
  },
  'snapshot taken': (scene) =>
    insist(scene, () => scene.h.world.call('PUT', `/volumes/${volumeId}/snapshots/99999999-0000-4000-8000-000000000001`).status),

  'source pool offline': (scene) => poolAway(scene, scene.source.pool),
  'destination pool offline': (scene) => poolAway(scene, scene.destination.pool),
  'destination pool deleted': ({ h, destination }) => h.world.call('DELETE', `/pools/${destination.pool}`).status === 204,
  'other pool deleted': ({ h }) => h.world.call('DELETE', `/pools/${bystander}`).status === 204,
  'destination pool cordoned': (scene) => cordonPool(scene, scene.destination.pool),
  'other pool cordoned': (scene) => cordonPool(scene, bystander),
  'node cordoned': ({ h, other, checks }) => {
    const cordon = `/nodes/${other.node}/cordon/maintenance`;
    h.world.call('PUT', cordon);
    let stood = false;
    void h.time.sleep(maintenanceMs).then(() => {
      stood = h.world.call('DELETE', cordon).status === 200;
    });
    checks.push(() => stood);
    return true;
  },
  'pool labelled': (scene) => {
    const { h, source, theirs, checks } = scene;
    h.world.call('PUT', `/pools/${bystander}/label/storage-tier=hot?overwrite=true`);
    checks.push(() => h.world.model.pools[bystander]?.labels['storage-tier'] === 'hot');
    if (!isAboutToBeHidden(scene)) {
      h.world.call('PUT', `/pools/${source.pool}/label/${gateKey}=theirs?overwrite=true`);
      checks.push(() => h.world.model.pools[source.pool]?.labels[gateKey] === 'theirs');
      theirs.push(`no gate label on ${source.pool}`);
    }
    return true;
  },
  'pool unlabelled': (scene) => {
    const { h, source, destination, theirs, checks } = scene;
    h.world.call('DELETE', `/pools/${destination.pool}/label/storage-tier`);
    checks.push(() => h.world.model.pools[destination.pool]?.labels['storage-tier'] === undefined);
    // Refused where our bias has it off already: then the administrator knows.
    if (!isAboutToBeHidden(scene) && h.world.call('DELETE', `/pools/${source.pool}/label/${gateKey}`).status === 200) {
      theirs.push(`no gate label on ${source.pool}`);
    }
    return true;
  },

  'source node down': (scene) => nodeAway(scene, scene.source.node),
  'destination node down': (scene) => nodeAway(scene, scene.destination.node),
  'target node down': (scene) => nodeAway(scene, theVolume(scene)?.nexus?.node),
  'source replica faulted': (scene) => faultOn(scene, scene.source.pool, scene.labelBias),
  'new replica faulted': (scene) => faultOn(scene, scene.destination.pool, scene.labelBias),
  'self-heal places a replica': (scene) => {
    const { model } = scene.h.world;
    Object.assign(model.settings, { faultedChildWaitMs: 0 });
    model.nextReconcileMs = Math.min(model.nextReconcileMs, model.nowMs + 500);
    return faultOn(scene, scene.other.pool, true);
  },

  'num_replicas raised': (scene) => askFor(scene, +1),
  'num_replicas lowered': (scene) => askFor(scene, -1),

  'Mayastor times out, with effect': (scene) => breakCalls(scene, ['PUT', 'DELETE'], { answer: 'timeout', applied: true, times: 2 }),
  'Mayastor times out, without effect': (scene) => breakCalls(scene, ['PUT', 'DELETE'], { answer: 'timeout', applied: false, times: 2 }),
  'Mayastor answers stale': (scene) => {
    void scene.h.time.sleep(20_000).then(() => clearFaults(scene.h.world.model));
    return breakCalls(scene, ['GET'], { stale: true, times: 1_000_000 });
  },
  'Mayastor unreachable': ({ h }) => {
    h.world.reachable = false;
    void h.time.sleep(awayMs).then(() => {
      h.world.reachable = true;
    });
    return true;
  },

  'NATS away': ({ h }) => {
    h.broker.away = true;
    h.gate.setAway(true);
    void h.time.sleep(awayMs).then(() => {
      h.broker.away = false;
      h.gate.setAway(false);
    });
    return true;
  },
  'NATS wiped': ({ h }) => {
    h.broker.wipe();
    h.gate.wipe();
    return true;
  },
  'Redis away': ({ process }) => {
    process.queueAway = true;
    return true;
  },
  'Redis wiped': ({ h, process }) => {
    // Another process finds the move without a job, and takes it up while this one runs it still.
    process.jobs.clear();
    void h.start().sweep();
    return true;
  },
  'Prometheus away': ({ brain, checks }) => {
    const verb = () => brain.decision().verb;
    const before = verb();
    brain.loseMeasurements();
    const after = verb();
    checks.push(() => before === 'move' && after === 'unknown');
    return true;
  },

  'migrator killed': ({ process }) => {
    process.die();
    return true;
  },
  'brain silent': ({ h, brain }) => {
    brain.fallSilent();
    void h.time.sleep(120_000).then(() => brain.answer());
    return true;
  },
  'clock jumps forwards': ({ h }) => {
    h.time.jump(dayMs);
    return true;
  },
  'clock jumps backwards': ({ h }) => {
    h.time.jump(-dayMs);
    return true;
  },

  'policy changed': ({ brain }) => {
    brain.changePolicy({ cooldownPeriod: '1h' });
    return true;
  },
  'policy superseded': ({ brain }) => {
    brain.changePolicy({ highWatermarkIOPS: 9_000 });
    return true;
  },
  'policy disabled': ({ brain }) => {
    brain.changePolicy({ enabled: false });
    return true;
  },
  'policy deleted': ({ brain }) => {
    brain.deletePolicy();
    return true;
  },
  'move cancelled': ({ h }) => {
    cancel(h);
    return true;
  },
};

/** As a program does that wants something of a volume: again and again while Mayastor says that it is busy, or not whole. */
function insist({ h }: Scene, call: () => number | string, done: () => void = () => undefined): boolean {
  if (h.world.model.volumes[volumeId] === undefined) {
    return false;
  }
  void (async () => {
    for (let tries = 0; tries < 600; tries += 1) {
      const status = call();
      if (status !== 409 && status !== 412) {
        return done();
      }
      await h.time.sleep(100);
    }
  })();
  return true;
}

function publishAgain(scene: Scene, afterMs: number): void {
  const { h, other } = scene;
  void h.time
    .sleep(afterMs)
    .then(() => insist(scene, () => h.world.call('PUT', `/volumes/${volumeId}/target`, { protocol: 'nvmf', node: other.node }).status));
}

function theVolume({ h }: Scene): Volume | undefined {
  return h.world.model.volumes[volumeId];
}

function poolAway({ h }: Scene, pool: string): boolean {
  const set = (online: boolean) => h.world.befall((model, nowMs) => setPoolOnline(model, { pool, online, nowMs }));
  set(false);
  void h.time.sleep(120_000).then(() => set(true));
  return true;
}

function nodeAway({ h }: Scene, node: string | undefined): boolean {
  if (node === undefined) {
    return false;
  }
  const set = (online: boolean) => h.world.befall((model, nowMs) => setNodeOnline(model, { node, online, nowMs }));
  set(false);
  void h.time.sleep(120_000).then(() => set(true));
  return true;
}

function cordonPool({ h, theirs }: Scene, pool: string): boolean {
  // Refused where ours stands already: then the administrator knows that it is not theirs.
  if (h.world.call('PUT', `/pools/${pool}/cordon`, { replicas: true, snapshots: false, restores: false, import: false }).status === 200) {
    theirs.push(`cordon on ${pool}`);
  }
  return true;
}

function faultOn({ h }: Scene, pool: string, forGood: boolean): boolean {
  const volume = h.world.model.volumes[volumeId];
  const replica = volume?.replicas.find((uuid) => h.world.model.replicas[uuid]?.pool === pool);
  if (replica === undefined) {
    return false;
  }
  h.world.befall((model, nowMs) => faultReplica(model, { volume: volumeId, replica, forGood, nowMs }));
  return true;
}

function askFor(scene: Scene, by: 1 | -1): boolean {
  const volume = theVolume(scene);
  if (volume === undefined) {
    return false;
  }
  const count = volume.numReplicas + by;
  const { status } = scene.h.world.call('PUT', `/volumes/${volumeId}/replica_count/${count}`);
  if (status !== 200) {
    return false;
  }
  scene.asked = count;
  // From here on no more is promised than they asked for.
  Object.assign(volume, { replicasFloor: Math.min(volume.replicasFloor, count) });
  return true;
}

function breakCalls({ h }: Scene, methods: readonly ('GET' | 'PUT' | 'DELETE')[], how: Omit<FaultInput, 'match'>): boolean {
  for (const method of methods) {
    addFault(h.world.model, faultSchema.parse({ match: { method, pathPattern: '/v0/**' }, ...how }));
  }
  return true;
}

/** Between our mark and the call that takes the label off, a change of it by somebody else is lost: one of the races that remain. */
function isAboutToBeHidden({ h, source }: Scene): boolean {
  const { labels = {} } = h.world.model.pools[source.pool] ?? {};
  return labels[gateMarkKey] !== undefined && labels[gateKey] !== undefined;
}
