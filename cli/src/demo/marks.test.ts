import type { Node, Pool } from '@couchestor/shared/mayastor/schema';
import { expect, it } from 'vitest';
import { leftoverMarks } from './marks.ts';

function pool(labels: Record<string, string>, cordoned?: { replicas: boolean }): Pool {
  return {
    id: 'p1',
    spec: { id: 'p1', node: 'n1', status: 'Created', labels, ...(cordoned ? { cordonDrain: { cordoned } } : {}) },
    state: null,
  };
}

function node(cordonlabels: string[]): Node {
  return { id: 'n1', spec: { id: 'n1', cordondrainstate: { cordonedstate: { cordonlabels } } }, state: null };
}

it('takes the gate key and the tier for what they are: part of the cluster', () => {
  expect(
    leftoverMarks({
      pools: [pool({ 'couchestor-managed': 'true', 'storage-tier': 'hot' }, { replicas: false })],
      nodes: [node(['maintenance'])],
    }),
  ).toEqual([]);
});

it('finds every mark and cordon that a move could have left', () => {
  expect(
    leftoverMarks({
      pools: [pool({ 'couchestor-gate': 'm1..cordon', 'couchestor-move-abc': 'm1..2' }, { replicas: true })],
      nodes: [node(['couchestor-m1'])],
    }),
  ).toEqual([
    'pool p1 still has the label couchestor-gate',
    'pool p1 still has the label couchestor-move-abc',
    'pool p1 is still cordoned',
    'node n1 is still cordoned by couchestor-m1',
  ]);
});
