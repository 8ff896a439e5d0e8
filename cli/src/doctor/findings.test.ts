import { formatGateMark, formatVolumeMark, gateMarkKey, nodeCordonLabel, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { someVolumeId } from '@couchestor/shared/testing/facts';
import { aNode, aPool, aWorld, type PoolInput, type VolumeInput } from '@couchestor/shared/testing/mayastor-objects';
import { expect, it } from 'vitest';
import { painter } from '../terminal/ansi.ts';
import { type Cluster, findingsOf, isClean } from './findings.ts';
import { removalCommands, reportLines } from './report.ts';

const moveId = 'm0123456789abcdef';
const open = [{ moveId, volumeId: someVolumeId, step: 'wait-sync' }];
const plain = { paint: painter(false), undoing: false, movesKnown: true };
const before = [
  { uuid: 'r1', pool: 'cold-1' },
  { uuid: 'r2', pool: 'cold-2' },
];
const added = { uuid: 'r9', pool: 'hot-1' };

function cluster(o: { pool?: Partial<PoolInput>; volume?: VolumeInput; cordons?: string[] } = {}): Cluster {
  const world = aWorld({ volume: o.volume ?? { replicas: before }, pools: [] });
  const pools = [aPool({ id: 'hot-1', labels: { tier: 'hot' }, ...o.pool }), aPool({ id: 'cold-1' }), aPool({ id: 'cold-2' })];
  return { pools, nodes: [aNode('node-hot-1', { cordons: o.cordons ?? [] })], volumes: [world.volume] };
}

function marked(kept: boolean): Partial<PoolInput> {
  return { labels: { [volumeMarkKey(someVolumeId)]: formatVolumeMark({ moveId, originalReplicas: 2, kept }) } };
}

it('finds nothing in a cluster that is at rest, and says so', () => {
  const findings = findingsOf(cluster(), []);
  expect(findings).toEqual({ gates: [], volumes: [], unreadable: [], foreignCordons: [] });
  expect(isClean(findings)).toBe(true);
  expect(reportLines(findings, plain)).toEqual(['Nothing of ours is left in Mayastor.']);
});

it('finds a cordon, a label that was taken off, and the cordon of a node, with what would undo each', () => {
  const cordon = { cordoned: true, labels: { [gateMarkKey]: formatGateMark({ kind: 'cordon', moveId }) } };
  const hidden = { labels: { [gateMarkKey]: formatGateMark({ kind: 'label', moveId, key: 'gate', value: 'a..b' }) } };
  expect(findingsOf(cluster({ pool: cordon }), []).gates).toMatchObject([
    { where: 'pool hot-1', what: 'cordoned', moveId, undo: ['uncordon pool hot-1', 'unmark pool hot-1 (couchestor-gate)'] },
  ]);
  expect(findingsOf(cluster({ pool: hidden }), []).gates).toMatchObject([
    { what: 'label gate=a..b taken off', undo: ['put label gate=a..b back on pool hot-1', 'unmark pool hot-1 (couchestor-gate)'] },
  ]);
  const onNode = findingsOf(cluster({ cordons: [nodeCordonLabel(moveId)] }), []);
  expect(onNode.gates).toMatchObject([{ where: 'node node-hot-1', moveId, undo: [`uncordon node node-hot-1 (couchestor-${moveId})`] }]);
  expect(isClean(onNode)).toBe(false);
  expect(reportLines(onNode, plain).join('\n')).toContain('`couchestor doctor --undo-gates`');
});

it('takes what an open move has in hand for what it is', () => {
  const findings = findingsOf(
    cluster({ pool: marked(false), volume: { replicas: [...before, added] }, cordons: [nodeCordonLabel(moveId)] }),
    open,
  );
  expect(isClean(findings)).toBe(true);
  expect(findings.gates).toMatchObject([{ explainedBy: 'wait-sync' }]);
  expect(findings.volumes).toMatchObject([{ explainedBy: 'wait-sync' }]);
  expect(reportLines(findings, plain).at(-1)).toBe('All of it belongs to open moves.');
});

it('leaves the cordons of administrators out of what is ours', () => {
  const findings = findingsOf(cluster({ pool: { cordoned: true }, cordons: ['maintenance', 'couchestor-by-hand'] }), []);
  expect(findings.foreignCordons).toEqual(['pool hot-1', 'node node-hot-1 (maintenance)', 'node node-hot-1 (couchestor-by-hand)']);
  expect(findings.gates).toEqual([]);
  expect(isClean(findings)).toBe(true);
});

it('tells an administrator’s cordon from a label of ours that hides on the same pool', () => {
  const both = { cordoned: true, labels: { [gateMarkKey]: formatGateMark({ kind: 'label', moveId, key: 'gate', value: 'yes' }) } };
  const findings = findingsOf(cluster({ pool: both }), []);
  expect(findings.foreignCordons).toEqual(['pool hot-1']);
  expect(findings.gates[0]?.undo.join()).not.toContain('uncordon');
});

it('names the replica that a move added, and how to take it away so that no other goes', () => {
  const [volume] = findingsOf(cluster({ pool: marked(false), volume: { replicas: [...before, added] } }), []).volumes;
  expect(volume).toMatchObject({ originalReplicas: 2, numReplicas: 3, extra: { uuid: 'r9', pool: 'hot-1', node: 'node-hot-1' } });
  expect(volume && removalCommands(volume)).toEqual([
    'kubectl mayastor cordon node node-hot-1 couchestor-by-hand',
    `kubectl mayastor scale volume ${someVolumeId} 2`,
    'kubectl mayastor uncordon node node-hot-1 couchestor-by-hand',
    `kubectl mayastor label pool hot-1 couchestor-move-${someVolumeId}-`,
  ]);
});

it('tells nobody how to take away what may belong to an open move, as long as these are not known', () => {
  for (const volume of [{ replicas: [...before, added] }, { replicas: before }]) {
    const lines = reportLines(findingsOf(cluster({ pool: marked(false), volume }), []), { ...plain, movesKnown: false }).join('\n');
    expect(lines).toContain('whether its move is open is not known: what to do is told with --nats-url, or with --force');
    expect(lines).not.toContain('kubectl');
  }
});

it('is not content with nothing while a brain may begin anew', () => {
  const paint = (text: string, ...styles: string[]): string => `${styles.join(' ')}: ${text}`;
  expect(reportLines(findingsOf(cluster(), []), { ...plain, paint })).toEqual(['green bold: Nothing of ours is left in Mayastor.']);
  expect(reportLines(findingsOf(cluster(), []), { ...plain, paint, brainRuns: true })).toEqual([
    'yellow bold: Nothing of ours is in Mayastor at this moment.',
  ]);
});

it('does not guess which replica is one too many where none lies where the mark is', () => {
  const elsewhere = { replicas: [...before, { uuid: 'r9', pool: 'warm-1' }] };
  const findings = findingsOf(cluster({ pool: marked(false), volume: elsewhere }), []);
  expect(findings.volumes[0]?.extra).toBeUndefined();
  expect(findings.volumes[0] && removalCommands(findings.volumes[0])).toEqual([]);
  expect(reportLines(findings, plain).join('\n')).toContain('do not tell which one was added');
});

it('reports a mark that has outlived its move or its volume as one to take off', () => {
  const atRest = findingsOf(cluster({ pool: marked(false) }), []);
  expect(reportLines(atRest, plain).join('\n')).toContain('no replica too many');
  const gone = findingsOf({ ...cluster({ pool: marked(true) }), volumes: [] }, []);
  expect(gone.volumes).toMatchObject([{ numReplicas: undefined, kept: true }]);
  expect(reportLines(gone, plain).join('\n')).toContain('no such volume any more');
});

it('does not take a kept replica for explained by a later move of the volume', () => {
  const findings = findingsOf(cluster({ pool: marked(true), volume: { replicas: [...before, added] } }), open);
  expect(isClean(findings)).toBe(false);
});

it('shows labels that look like ours and cannot be read', () => {
  const findings = findingsOf(cluster({ pool: { labels: { [gateMarkKey]: 'mine', [volumeMarkKey('x')]: 'what' } } }), []);
  expect(findings.unreadable).toEqual([
    { pool: 'hot-1', label: 'couchestor-gate', value: 'mine' },
    { pool: 'hot-1', label: 'couchestor-move-x', value: 'what' },
  ]);
  expect(isClean(findings)).toBe(false);
});
