import type { Snapshot } from '../cluster.ts';
import { notFound } from '../refusal.ts';
import { snapshotJson, takeSnapshot } from '../snapshots.ts';
import { type Call, noContent, ok, operate, page, pageQuerySchema, param, parseQuery, type Route, volumeOf } from './route.ts';

export const snapshotRoutes: readonly Route[] = [
  { method: 'GET', path: '/volumes/snapshots', run: (call) => list(call, () => true) },
  {
    method: 'GET',
    path: '/volumes/:volume/snapshots',
    run: (call) => {
      const volume = volumeOf(call);
      return list(call, (snapshot) => snapshot.volume === volume.uuid);
    },
  },
  { method: 'GET', path: '/volumes/snapshots/:snapshot', run: (call) => ok(snapshotJson(call.turn.cluster, snapshotOf(call))) },
  { method: 'GET', path: '/volumes/:volume/snapshots/:snapshot', run: (call) => ok(snapshotJson(call.turn.cluster, snapshotOf(call))) },
  {
    method: 'PUT',
    path: '/volumes/:volume/snapshots/:snapshot',
    run: (call) => {
      const volume = volumeOf(call);
      const uuid = param(call, 'snapshot');
      const answer = operate(call, { volume, operation: 'CreateSnapshot', change: () => takeSnapshot(call.turn, volume, uuid) });
      return { ...answer, body: snapshotJson(call.turn.cluster, snapshotOf(call)) };
    },
  },
  { method: 'DELETE', path: '/volumes/snapshots/:snapshot', run: remove },
  { method: 'DELETE', path: '/volumes/:volume/snapshots/:snapshot', run: remove },
];

function list(call: Call, wanted: (snapshot: Snapshot) => boolean) {
  const { cluster } = call.turn;
  const snapshots = Object.values(cluster.snapshots).filter(wanted);
  return page(snapshots, parseQuery(pageQuerySchema, call), (snapshot) => snapshotJson(cluster, snapshot));
}

function remove(call: Call) {
  const snapshot = snapshotOf(call);
  delete call.turn.cluster.snapshots[snapshot.uuid];
  return noContent;
}

function snapshotOf(call: Call): Snapshot {
  const id = param(call, 'snapshot');
  const snapshot = call.turn.cluster.snapshots[id];
  if (snapshot === undefined || (call.params['volume'] !== undefined && snapshot.volume !== call.params['volume'])) {
    throw notFound('VolumeSnapshot', id);
  }
  return snapshot;
}
