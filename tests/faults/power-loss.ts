/**
 * States that a folder may be in after the power was lost, made from a recording of what a program did there.
 *
 * A seed picks the moment and what became of everything that was not durable then; the same seed makes the same state. Moments right after
 * something was acknowledged or synced are picked more often than their number, for there the most is promised.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomOf } from '../torture/random.ts';
import { type FileNode, type History, historyOf, type NameRules } from './history.ts';
import type { Recording } from './recording.ts';
import { type Fate, type FileState, pageBytes, sectorBytes, survivingBytes } from './surviving-bytes.ts';
import { pathsOf, survivingNames } from './surviving-names.ts';

export interface StateInput {
  readonly seed: number;
  /** A moment: that many events have happened. Default: picked by the seed. */
  readonly at?: number;
  /** Default: posix, where a name survives only once its folder was synced. */
  readonly rules?: NameRules;
}

export interface LegalState {
  readonly at: number;
  /** How the seed treated what was not durable, for whoever looks into a failure. */
  readonly story: string;
}

/** Of files that are written through shared mappings; LMDB makes this one anew when nobody has it open. */
const mappedAllowed = /(^|\/)lock\.mdb$/;
const histories = new WeakMap<Recording, Map<NameRules, History>>();

/** Makes `intoDir`, which must not exist, a state that is legal after a loss of power. */
export function legalState(recording: Recording, o: StateInput, intoDir: string): LegalState {
  const random = randomOf(o.seed);
  const at = o.at ?? pickMoment(recording, random);
  const history = historyBy(recording, o.rules ?? 'posix');
  const names = one(random, ['none', 'all', 'first', 'some'] as const);
  const moment = Math.floor(random() * at);
  const wantsName = {
    none: () => false,
    all: () => true,
    first: (change: { at: number }) => change.at < moment,
    some: () => random() < 0.5,
  }[names];
  const tree = survivingNames(history, at, wantsName);
  const bytes = one(random, fates);
  const state = (node: FileNode): FileState => survivingBytes(node, at, bytes.of(randomOf(Math.floor(random() * 2 ** 32))));
  writeTree(history, tree, state, intoDir);
  return { at, story: `seed ${o.seed}: power lost after event ${at} of ${recording.events.length}; names: ${names}; bytes: ${bytes.name}` };
}

/** The folder as programs saw it in the end, with no loss at all: what it must equal, or something was done past the recorder. */
export function undamagedState(recording: Recording, intoDir: string): void {
  const at = recording.events.length;
  const history = historyBy(recording, 'posix');
  const fate: Fate = { keeps: () => true, keepsSize: () => true, keepsCut: () => true, growth: () => 0 };
  const tree = survivingNames(history, at, () => true);
  writeTree(history, tree, (node) => survivingBytes(node, at, fate), intoDir);
}

/** All that was written to the acks by then: what the world had been told when the power was lost. */
export function ackedBefore(recording: Recording, at: number): string {
  return recording.events
    .slice(0, at)
    .map((event) => (event.kind === 'ack' ? event.text : ''))
    .join('');
}

function historyBy(recording: Recording, rules: NameRules): History {
  const known = histories.get(recording) ?? new Map<NameRules, History>();
  histories.set(recording, known);
  const history = known.get(rules) ?? historyOf(recording, rules);
  known.set(rules, history);
  return history;
}

function pickMoment({ events }: Recording, random: () => number): number {
  const kind = one(random, ['ack', 'sync', 'any'] as const);
  const moments = events.flatMap((event, index) => {
    if (event.kind === 'ack') {
      return kind === 'ack' ? [index + 1] : [];
    }
    return kind === 'sync' && (event.kind === 'sync' || (event.kind === 'write' && event.isDurable)) && event.end < events.length
      ? [event.end, event.end + 1]
      : [];
  });
  return moments.length > 0 ? one(random, moments) : Math.floor(random() * (events.length + 1));
}

/** Each decides about one file. `change` counts what was not durable of that file. */
const fates: readonly { name: string; of(random: () => number): Fate }[] = [
  { name: 'all lost', of: (random) => fateOf(random, () => false) },
  { name: 'all kept', of: (random) => fateOf(random, () => true) },
  {
    name: 'the first kept',
    of: (random) => {
      const count = Math.floor(1 / Math.max(random(), 0.001));
      return fateOf(random, (change) => change < count);
    },
  },
  {
    name: 'the first lost',
    of: (random) => {
      const count = Math.floor(1 / Math.max(random(), 0.001));
      return fateOf(random, (change) => change >= count);
    },
  },
  {
    name: 'whole changes, in any order',
    of: (random) => {
      const salt = saltOf(random);
      return fateOf(random, (change) => coin(salt, change, 0) < 0.5);
    },
  },
  {
    name: 'changes torn between sectors',
    of: (random) => {
      const salt = saltOf(random);
      return fateOf(random, (change, sector) => {
        const fate = coin(salt, change, 0);
        // A third of them is whole, a third is lost, and of a third some sectors are there.
        return fate < 1 / 3 || (fate < 2 / 3 && coin(salt, change, sector + 1) < 0.5);
      });
    },
  },
  {
    name: 'pages in any order',
    of: (random) => {
      const salt = saltOf(random);
      const share = random();
      return fateOf(random, (change, sector) => coin(salt, change, 1 + Math.floor((sector * sectorBytes) / pageBytes)) < share);
    },
  },
  {
    name: 'sectors in any order',
    of: (random) => {
      const salt = saltOf(random);
      const share = random();
      return fateOf(random, (change, sector) => coin(salt, change, sector + 1) < share);
    },
  },
  {
    name: 'few lost',
    of: (random) => {
      const salt = saltOf(random);
      return fateOf(random, (change, sector) => coin(salt, change, sector + 1) < 0.97);
    },
  },
  {
    name: 'few kept',
    of: (random) => {
      const salt = saltOf(random);
      return fateOf(random, (change, sector) => coin(salt, change, sector + 1) < 0.03);
    },
  },
];

function fateOf(random: () => number, keeps: Fate['keeps']): Fate {
  const sizes = one(random, ['none', 'all', 'some'] as const);
  const cut = random() < 0.5;
  const part = random();
  return {
    keeps,
    keepsSize: () => sizes === 'all' || (sizes === 'some' && random() < 0.5),
    keepsCut: () => cut,
    growth: (bytes) => (sizes === 'some' ? Math.floor((bytes * part) / pageBytes) * pageBytes : 0),
  };
}

function saltOf(random: () => number): number {
  return Math.floor(random() * 2 ** 32);
}

/** From 0 to 1, the same for the same numbers. */
function coin(salt: number, change: number, place: number): number {
  return randomOf(salt ^ Math.imul(change + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca77))();
}

function one<T>(random: () => number, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

function writeTree(history: History, tree: ReturnType<typeof survivingNames>, state: (node: FileNode) => FileState, intoDir: string): void {
  mkdirSync(intoDir);
  const written = new Map<number, FileState>();
  for (const { path, node: id } of pathsOf(tree)) {
    const node = history.nodes[id] as FileNode;
    const to = join(intoDir, path);
    if (node.kind === 'folder') {
      mkdirSync(to);
    } else if (node.kind === 'link') {
      symlinkSync(node.target, to);
    } else {
      if (node.isMapped && !mappedAllowed.test(path)) {
        throw new Error(`${path} was written through a shared mapping, of which a recording knows nothing`);
      }
      const bytes = written.get(id) ?? state(node);
      written.set(id, bytes);
      writeFile(to, bytes);
    }
  }
}

function writeFile(path: string, { sizeBytes, initial, pages }: FileState): void {
  const fd = openSync(path, 'wx');
  try {
    if (initial.length > 0) {
      writeSync(fd, initial, 0, Math.min(initial.length, sizeBytes), 0);
    }
    ftruncateSync(fd, sizeBytes);
    for (const run of runsOf(pages)) {
      const length = Math.min(run.bytes.length, sizeBytes - run.offset);
      if (length > 0) {
        writeSync(fd, run.bytes, 0, length, run.offset);
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Pages beside each other are written at once. */
function* runsOf(pages: ReadonlyMap<number, Buffer>): Iterable<{ offset: number; bytes: Buffer }> {
  const numbers = [...pages.keys()].sort((a, b) => a - b);
  for (let from = 0; from < numbers.length; ) {
    let to = from + 1;
    while (to < numbers.length && (numbers[to] as number) === (numbers[to - 1] as number) + 1) {
      to += 1;
    }
    const bytes = Buffer.concat(numbers.slice(from, to).map((number) => pages.get(number) as Buffer));
    yield { offset: (numbers[from] as number) * pageBytes, bytes };
    from = to;
  }
}
