import { z } from 'zod';
import { failOver } from '../reconcile.ts';
import { Refusal } from '../refusal.ts';
import { syncedReplicas } from '../status.ts';
import { nodeJson } from '../views.ts';
import { booleanQuery, labelPair, nodeOf, ok, param, parseQuery, type Route, removeLabel, setLabel } from './route.ts';

export const nodeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/nodes',
    run: ({ turn: { cluster }, seen }) => ok(Object.values(cluster.nodes).map((node) => nodeJson(cluster, node, seen))),
  },
  { method: 'GET', path: '/nodes/:node', run: (call) => ok(nodeJson(call.turn.cluster, nodeOf(call), call.seen)) },
  {
    method: 'PUT',
    path: '/nodes/:node/cordon/:label',
    run: (call) => {
      const node = nodeOf(call);
      const label = param(call, 'label');
      if (node.cordonLabels.includes(label) || node.drainLabels.includes(label)) {
        throw new Refusal('AlreadyExists', 'CordonLabel', `Node '${node.id}' is already cordoned with label '${label}'`);
      }
      node.cordonLabels.push(label);
      return ok(nodeJson(call.turn.cluster, node));
    },
  },
  {
    method: 'DELETE',
    path: '/nodes/:node/cordon/:label',
    run: (call) => {
      const node = nodeOf(call);
      const label = param(call, 'label');
      if (!node.cordonLabels.includes(label) && !node.drainLabels.includes(label)) {
        throw new Refusal('FailedPrecondition', 'UncordonLabel', `Node '${node.id}' has no cordon label '${label}'`);
      }
      node.cordonLabels = node.cordonLabels.filter((other) => other !== label);
      node.drainLabels = node.drainLabels.filter((other) => other !== label);
      return ok(nodeJson(call.turn.cluster, node));
    },
  },
  {
    // Moves targets away, not replicas.
    method: 'PUT',
    path: '/nodes/:node/drain/:label',
    run: (call) => {
      const { cluster } = call.turn;
      const node = nodeOf(call);
      const label = param(call, 'label');
      if (node.cordonLabels.includes(label) || node.drainLabels.includes(label)) {
        throw new Refusal('AlreadyExists', 'CordonLabel', `Node '${node.id}' is already cordoned with label '${label}'`);
      }
      node.drainLabels.push(label);
      for (const volume of Object.values(cluster.volumes)) {
        if (volume.nexus?.node === node.id && syncedReplicas(cluster, volume).length > 0) {
          failOver(call.turn, volume);
        }
      }
      return ok(nodeJson(cluster, node));
    },
  },
  {
    method: 'PUT',
    path: '/nodes/:node/label/:pair',
    run: (call) => {
      const node = nodeOf(call);
      const { overwrite } = parseQuery(z.object({ overwrite: booleanQuery.default(false) }), call);
      setLabel(node.labels, { what: `Node '${node.id}'`, ...labelPair(call), overwrite });
      return ok(nodeJson(call.turn.cluster, node));
    },
  },
  {
    method: 'DELETE',
    path: '/nodes/:node/label/:key',
    run: (call) => {
      const node = nodeOf(call);
      removeLabel(node.labels, { what: `Node '${node.id}'`, key: param(call, 'key') });
      return ok(nodeJson(call.turn.cluster, node));
    },
  },
];
