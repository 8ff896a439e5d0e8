/** Which names survive a loss of power: all that are durable, and of the others any that the rules of a file system let survive. */
import type { History, NameChange, Slot } from './history.ts';
import { rootNode } from './history.ts';

/** Folders by node: their entries. Only what can be reached from the root matters. */
export type Tree = ReadonlyMap<number, ReadonlyMap<string, number>>;

/** `wants` is asked for each change that is not durable. */
export function survivingNames(history: History, at: number, wants: (change: NameChange) => boolean): Tree {
  const happened = history.names.filter((change) => change.at < at);
  const kept = keptChanges(happened, (change) => change.durableAt < at || wants(change));
  const tree = new Map<number, Map<string, number>>();
  for (const node of history.nodes) {
    if (node.kind === 'folder') {
      tree.set(node.id, new Map());
    }
  }
  for (const { slot, node } of history.initialNames) {
    tree.get(slot.folder)?.set(slot.name, node);
  }
  for (const change of kept) {
    if (change.from !== undefined) {
      tree.get(change.from.folder)?.delete(change.from.name);
    }
    if (change.kind === 'remove') {
      tree.get(change.slot.folder)?.delete(change.slot.name);
    } else {
      tree.get(change.slot.folder)?.set(change.slot.name, change.node);
    }
  }
  return tree;
}

/**
 * An entry of a folder is written as it stands, with all that happened to it before; a rename changes its two entries at once; and a folder
 * goes only when everything is gone from it. So whatever survives takes with it what it stands upon.
 */
function keptChanges(happened: readonly NameChange[], wants: (change: NameChange) => boolean): NameChange[] {
  const touched = new Set<string>();
  const removed = new Set<number>();
  const kept: NameChange[] = [];
  for (const change of [...happened].reverse()) {
    const slots = [change.slot, ...(change.from === undefined ? [] : [change.from])];
    const isNeeded = slots.some((slot) => touched.has(keyOf(slot)) || removed.has(slot.folder));
    if (isNeeded || wants(change)) {
      kept.push(change);
      for (const slot of slots) {
        touched.add(keyOf(slot));
      }
      if (change.kind === 'remove') {
        removed.add(change.node);
      }
    }
  }
  return kept.reverse();
}

function keyOf(slot: Slot): string {
  return `${slot.folder}/${slot.name}`;
}

/** Every name that can be reached, folders before what is in them. */
export function* pathsOf(tree: Tree, folder = rootNode, prefix = ''): Iterable<{ path: string; node: number }> {
  for (const [name, node] of tree.get(folder) ?? []) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    yield { path, node };
    yield* pathsOf(tree, node, path);
  }
}
