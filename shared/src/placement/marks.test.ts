import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aNode, aPool, aWorld } from '../testing/mayastor-objects.ts';
import {
  findLeftovers,
  findVolumeMarks,
  formatGateMark,
  formatVolumeMark,
  type GateMark,
  gateMarkKey,
  nodeCordonLabel,
  parseGateMark,
  parseVolumeMark,
  poolsMarkedFor,
  volumeMarkKey,
  withoutGates,
} from './marks.ts';

const moveIds = fc.stringMatching(/^m[0-9a-f]{16}$/);
/** Label keys of ours have no slash; a value may hold anything that a Kubernetes label may, and more. */
const keys = fc.stringMatching(/^[a-z][-a-z0-9_]{0,10}(\.[a-z0-9]{1,9})?$/);
const moveId = 'm0123456789abcdef';

describe('marks in Mayastor', () => {
  it('of a gate come back as they were written', () => {
    const marks: fc.Arbitrary<GateMark> = fc.oneof(
      fc.record({ kind: fc.constant('cordon' as const), moveId: moveIds }),
      fc.record({ kind: fc.constant('label' as const), moveId: moveIds, key: keys, value: fc.string() }),
    );
    fc.assert(
      fc.property(marks, (mark) => {
        expect(parseGateMark(formatGateMark(mark))).toEqual(mark);
      }),
    );
  });

  it('of a volume come back as they were written', () => {
    const marks = fc.record({ moveId: moveIds, originalReplicas: fc.integer({ min: 1, max: 255 }), kept: fc.boolean() });
    fc.assert(
      fc.property(marks, (mark) => {
        expect(parseVolumeMark(formatVolumeMark(mark))).toEqual(mark);
      }),
    );
  });

  it('are not read out of what somebody else wrote', () => {
    const foreign = [
      '',
      'cordon',
      'm1..cordon',
      'M0123456789abcdef..cordon',
      `${moveId}..cordon..x`,
      `${moveId}..label`,
      `${moveId}..label..`,
      `${moveId}`,
      `x${moveId}..cordon`,
    ];
    expect(foreign.map(parseGateMark)).toEqual(foreign.map(() => undefined));
    const counts = [`${moveId}..`, `${moveId}..two`, `${moveId}..-1`, `${moveId}..1..lost`, `${moveId}..1000`, 'orders..2'];
    expect(counts.map(parseVolumeMark)).toEqual(counts.map(() => undefined));
    fc.assert(fc.property(fc.string(), (text) => parseGateMark(text) === undefined || text.startsWith('m')));
  });

  it('are found on every pool and node, and nothing else is', () => {
    const pools = [
      aPool({ id: 'a', labels: { [gateMarkKey]: `${moveId}..cordon` }, cordoned: true }),
      aPool({ id: 'b', labels: { [gateMarkKey]: `${moveId}..label..gate..yes..no` } }),
      aPool({ id: 'c', labels: { [gateMarkKey]: 'hands off' }, cordoned: true }),
      aPool({
        id: 'd',
        labels: { 'couchestor-move-v1': `${moveId}..2`, 'couchestor-move-v2': `${moveId}..1..kept`, 'couchestor-move-v3': 'soon' },
      }),
    ];
    const nodes = [aNode('n1', { cordons: ['maintenance', nodeCordonLabel(moveId), 'couchestor-mine', 'couchestor-m01'] })];
    expect(findLeftovers(pools, nodes)).toEqual([
      { on: 'pool', pool: 'a', kind: 'cordon', moveId },
      { on: 'pool', pool: 'b', kind: 'label', moveId, key: 'gate', value: 'yes..no' },
      { on: 'node', node: 'n1', label: `couchestor-${moveId}` },
    ]);
    expect(findVolumeMarks(pools)).toEqual([
      { moveId, originalReplicas: 2, kept: false, pool: 'd', volumeId: 'v1' },
      { moveId, originalReplicas: 1, kept: true, pool: 'd', volumeId: 'v2' },
    ]);
    expect(poolsMarkedFor(pools, 'v1')).toEqual(['d']);
    expect(volumeMarkKey('v1')).toBe('couchestor-move-v1');
  });
});

describe('the world without our gates', () => {
  it('has our cordons lifted and our labels back, and leaves an administrator’s cordons alone', () => {
    const world = {
      ...aWorld({ volume: { replicas: [] }, pools: [] }),
      pools: [
        aPool({ id: 'a', labels: { [gateMarkKey]: `${moveId}..cordon` }, cordoned: true }),
        aPool({ id: 'b', labels: { [gateMarkKey]: `${moveId}..label..gate..yes` } }),
        aPool({ id: 'c', cordoned: true }),
      ],
      nodes: [aNode('n1', { cordons: ['maintenance', nodeCordonLabel(moveId)] }), aNode('n2', { cordons: [nodeCordonLabel(moveId)] })],
    };
    const [a, b, c] = withoutGates(world).pools;
    expect(a?.spec?.cordonDrain?.cordoned?.replicas ?? false).toBe(false);
    expect(b?.spec?.labels?.['gate']).toBe('yes');
    expect(c?.spec?.cordonDrain?.cordoned?.replicas).toBe(true);
    expect(withoutGates(world).nodes.map(({ spec }) => spec?.cordondrainstate?.cordonedstate?.cordonlabels ?? [])).toEqual([
      ['maintenance'],
      [],
    ]);
  });

  it('keeps the value that somebody has given the label meanwhile', () => {
    const pools = [aPool({ id: 'b', labels: { [gateMarkKey]: `${moveId}..label..gate..old`, gate: 'new' } })];
    expect(withoutGates({ pools, nodes: [] }).pools[0]?.spec?.labels?.['gate']).toBe('new');
  });
});
