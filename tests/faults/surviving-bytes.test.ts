/** Against a model that keeps the whole file after every change. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Change, FileNode } from './history.ts';
import { type Fate, pageBytes, sectorBytes, survivingBytes } from './surviving-bytes.ts';

type Step = { kind: Change['kind']; offset: number; length: number; isSynced: boolean };

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'zero', 'size', 'cut'),
  offset: fc.nat({ max: 4 * pageBytes }),
  length: fc.integer({ min: 1, max: pageBytes }),
  isSynced: fc.boolean(),
});

/** Each step is a change, and where it says so a sync of everything so far. Moment 2i+1 is after change i, 2i+2 after its sync. */
function nodeOf(steps: readonly Step[], initial: Buffer): FileNode {
  const changes = steps.map(({ kind, offset, length }, index): Change => {
    const sync = steps.findIndex((step, later) => later >= index && step.isSynced);
    return {
      ...{ begin: 2 * index, end: 2 * index, durableAt: sync < 0 ? Number.POSITIVE_INFINITY : 2 * sync + 1 },
      ...{ kind, offset, length: kind === 'size' || kind === 'cut' ? 0 : length },
      data: kind === 'write' ? Buffer.alloc(length, index + 1) : undefined,
    };
  });
  return { id: 1, kind: 'file', target: '', initial, changes, isMapped: false };
}

/** The file as the program sees it before the first change and after each. */
function viewsOf(node: FileNode): Buffer[] {
  const views = [node.initial];
  for (const change of node.changes) {
    const before = views.at(-1) as Buffer;
    const end = change.offset + change.length;
    const sizeBytes = change.kind === 'cut' ? change.offset : change.kind === 'zero' ? before.length : Math.max(before.length, end);
    const view = Buffer.alloc(Math.max(sizeBytes, end));
    before.copy(view, 0, 0, sizeBytes);
    if (change.kind === 'write' || change.kind === 'zero') {
      view.fill(change.data?.[0] ?? 0, change.offset, end);
    }
    views.push(view.subarray(0, sizeBytes));
  }
  return views;
}

function fileOf(node: FileNode, at: number, fate: Fate): Buffer {
  const { sizeBytes, initial, pages } = survivingBytes(node, at, fate);
  const file = Buffer.alloc(Math.ceil(Math.max(sizeBytes, initial.length, 8 * pageBytes) / pageBytes) * pageBytes);
  initial.copy(file);
  for (const [number, page] of pages) {
    page.copy(file, number * pageBytes);
  }
  return file.subarray(0, sizeBytes);
}

function fateOf(seed: number): Fate {
  const coin = (a: number, b: number): boolean =>
    (Math.imul(seed ^ Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca77), 0x27d4eb2f) >>> 16) % 2 === 1;
  return { keeps: coin, keepsSize: (change) => coin(change, 1_000), keepsCut: (change) => coin(change, 2_000), growth: () => 0 };
}

const input = [fc.array(stepArbitrary, { maxLength: 8 }), fc.nat({ max: 3 * pageBytes }), fc.nat(), fc.integer()] as const;

test('every sector holds what the program saw at some moment since it was made durable, and so does the length', () => {
  fc.assert(
    fc.property(...input, (steps, initialBytes, moment, seed) => {
      const node = nodeOf(steps, Buffer.alloc(initialBytes, 0xee));
      const at = moment % (2 * steps.length + 1);
      const views = viewsOf(node);
      const happened = node.changes.filter((change) => change.begin < at).length;
      const durable = node.changes.filter((change) => change.durableAt < at).length;
      const legal = views.slice(durable, happened + 1);
      const file = fileOf(node, at, fateOf(seed));
      expect(legal.map((view) => view.length)).toContain(file.length);
      for (let from = 0; from < file.length; from += sectorBytes) {
        const sector = file.subarray(from, from + sectorBytes);
        // A sector may lie beyond the end that the file had then: zeros.
        expect(legal.some((view) => sectorOf(view, from, sector.length).equals(sector))).toBe(true);
      }
    }),
    { numRuns: 400 },
  );
});

test('with nothing lost the file is what the program saw', () => {
  const kept: Fate = { keeps: () => true, keepsSize: () => true, keepsCut: () => true, growth: () => 0 };
  fc.assert(
    fc.property(...input, (steps, initialBytes, _moment, _seed) => {
      const node = nodeOf(steps, Buffer.alloc(initialBytes, 0xee));
      expect(fileOf(node, 2 * steps.length, kept).equals(viewsOf(node).at(-1) as Buffer)).toBe(true);
    }),
    { numRuns: 400 },
  );
});

function sectorOf(view: Buffer, from: number, length: number): Buffer {
  const sector = Buffer.alloc(length);
  sector.set(view.subarray(from, from + length));
  return sector;
}
