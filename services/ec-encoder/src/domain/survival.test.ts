import { expect, test } from 'vitest';
import { survivalOf } from './survival.ts';

const fourPlusTwo = { dataShards: 4, parityShards: 2 };
const drives = (count: number, domainOf: (index: number) => { zone?: string; node?: string; pool?: string; disk?: string }) =>
  Array.from({ length: count }, (_, index) => ({ domain: { zone: 'z', node: 'n', pool: 'p', disk: 'd', ...domainOf(index) } }));

test('six folders on one disk survive two drives and no disk', () => {
  const found = survivalOf({ ...fourPlusTwo, drives: drives(6, () => ({})) });
  expect(found).toMatchObject({ zones: 0, nodes: 0, pools: 0, disks: 0, drives: 2, isEnough: true });
  expect(found.sentence).toBe('survives any 2 of 6 drives; 0 disk losses: all drives are on one disk');
});

test('three nodes of two disks survive one node, and two disks', () => {
  const found = survivalOf({ ...fourPlusTwo, drives: drives(6, (index) => ({ node: `n${index % 3}`, disk: `d${index}` })) });
  expect(found).toMatchObject({ zones: 0, nodes: 1, pools: 1, disks: 2, drives: 2 });
  expect(found.sentence).toBe('survives any 2 of 6 drives; 1 of 3 nodes; 1 of 3 pools; 2 of 6 disks');
});

test('two zones cannot be lost one by one where a stripe has three shards in each', () => {
  const found = survivalOf({ ...fourPlusTwo, drives: drives(6, (index) => ({ zone: `z${index % 2}`, node: `n${index}` })) });
  expect(found).toMatchObject({ zones: 0, nodes: 2, disks: 2 });
  expect(found.sentence).toContain('0 zone losses');
});

test('three zones survive one, by two shards of a stripe in each', () => {
  expect(survivalOf({ ...fourPlusTwo, drives: drives(12, (index) => ({ zone: `z${index % 3}`, node: `n${index}` })) })).toMatchObject({
    zones: 1,
    nodes: 2,
  });
});

test('too few drives survive fewer losses and say so', () => {
  const found = survivalOf({ ...fourPlusTwo, drives: drives(5, (index) => ({ node: `n${index}` })) });
  expect(found).toMatchObject({ nodes: 1, drives: 1, isEnough: false });
  expect(found.sentence).toContain('a stripe wants 6 drives, and there are 5: new stripes are degraded');
  expect(survivalOf({ ...fourPlusTwo, drives: [] })).toMatchObject({ zones: 0, drives: 0, isEnough: false });
  expect(survivalOf({ dataShards: 4, parityShards: 0, drives: drives(6, () => ({})) }).drives).toBe(0);
});
