/**
 * What a recording says about each file and each name: the changes in their order, and for each from when on it survives a loss of power.
 *
 * A change of a file's bytes survives once an fsync or fdatasync of the file ended that began after the change had ended; a write through a
 * descriptor opened with O_DSYNC survives once it has ended. Names have two sets of rules:
 *   posix  a name survives once its folder was synced, and nothing but that makes it;
 *   ext4   also an fsync of the file makes its names survive, with those of the folders above it, and an fdatasync the name it was created under.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileEvent, Recording } from './recording.ts';

export type NameRules = 'posix' | 'ext4';

export interface Change {
  /** Moments: indices of events. */
  readonly begin: number;
  readonly end: number;
  /** It survives a loss of power at any later moment. */
  durableAt: number;
  /** `zero` puts zeros over a range; `size` makes the file at least so long; `cut` ends it there. */
  readonly kind: 'write' | 'zero' | 'size' | 'cut';
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer | undefined;
}

export interface FileNode {
  readonly id: number;
  readonly kind: 'file' | 'folder' | 'link';
  /** Of a symbolic link. */
  readonly target: string;
  /** What it held before the recording. */
  readonly initial: Buffer;
  readonly changes: Change[];
  /** Written through a shared mapping, of which nothing is known. */
  isMapped: boolean;
}

/** An entry of a folder. */
export interface Slot {
  readonly folder: number;
  readonly name: string;
}

export interface NameChange {
  readonly at: number;
  durableAt: number;
  readonly kind: 'create' | 'link' | 'rename' | 'remove';
  readonly node: number;
  /** Where the node is afterwards; of `remove` where it was. */
  readonly slot: Slot;
  /** Of a rename: where it was before. */
  readonly from: Slot | undefined;
}

export interface History {
  readonly nodes: readonly FileNode[];
  /** The names before the recording. */
  readonly initialNames: readonly { slot: Slot; node: number }[];
  readonly names: readonly NameChange[];
}

export const rootNode = 0;
const fallocKeepSize = 1;
const fallocPunchHole = 2;
const fallocZeroRange = 16;

/** Throws where the recording does not hang together: then something changed the files past the recorder. */
export function historyOf(recording: Recording, rules: NameRules): History {
  const writer = new HistoryWriter(rules);
  if (recording.beforeDir !== undefined) {
    writer.begin(recording.beforeDir, rootNode);
  }
  for (const [at, event] of recording.events.entries()) {
    writer.add(event, at);
  }
  return writer.history;
}

class HistoryWriter {
  readonly #nodes: FileNode[] = [];
  readonly #initialNames: { slot: Slot; node: number }[] = [];
  readonly #names: NameChange[] = [];
  readonly #rules: NameRules;
  /** The names as programs see them. */
  readonly #folders = new Map<number, Map<string, number>>();
  readonly #parents = new Map<number, number>();
  readonly #handles = new Map<number, number>();
  /** What has not been seen to survive yet, of each node and of each folder. */
  readonly #unsynced = new Map<number, Change[]>();
  readonly #unsyncedNames = new Set<NameChange>();

  constructor(rules: NameRules) {
    this.#rules = rules;
    this.#newNode('folder');
  }

  get history(): History {
    return { nodes: this.#nodes, initialNames: this.#initialNames, names: this.#names };
  }

  begin(dir: string, folder: number): void {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name);
      const node = entry.isDirectory() ? this.#newNode('folder') : this.#newNode('file', { initial: readFileSync(path) });
      this.#put({ folder, name: entry.name }, node);
      this.#initialNames.push({ slot: { folder, name: entry.name }, node });
      if (entry.isDirectory()) {
        this.begin(path, node);
      }
    }
  }

  add(event: FileEvent, at: number): void {
    switch (event.kind) {
      case 'open':
        this.#open(event, at);
        return;
      case 'write':
        this.#change(event.handle, {
          ...{ begin: at, end: event.end, durableAt: event.isDurable ? event.end : Number.POSITIVE_INFINITY },
          ...{ kind: 'write', offset: event.offset, length: event.data.length, data: event.data },
        });
        return;
      case 'truncate':
        this.#change(event.handle, { ...rangeOf('cut', event.sizeBytes, 0), begin: at, end: event.end });
        return;
      case 'fallocate':
        this.#allocate(event, at);
        return;
      case 'sync':
        this.#sync(event, at);
        return;
      case 'sync-all':
        for (const node of this.#nodes) {
          this.#syncData(node.id, at, event.end);
        }
        this.#syncNames(at, event.end, () => true);
        return;
      case 'mapped':
        this.#nodeOf(this.#handle(event.handle)).isMapped = true;
        return;
      case 'mkdir':
        this.#make('folder', event.path, at);
        return;
      case 'symlink':
        this.#make('link', event.path, at, event.other);
        return;
      case 'link':
        this.#link(event.path, event.other, at);
        return;
      case 'rename':
        this.#rename(event.path, event.other, at);
        return;
      case 'unlink':
      case 'rmdir':
        this.#remove(event.path, at);
        return;
      default:
    }
  }

  #newNode(kind: FileNode['kind'], o: { initial?: Buffer; target?: string } = {}): number {
    const id = this.#nodes.length;
    this.#nodes.push({ id, kind, target: o.target ?? '', initial: o.initial ?? Buffer.alloc(0), changes: [], isMapped: false });
    if (kind === 'folder') {
      this.#folders.set(id, new Map());
    }
    return id;
  }

  #put(slot: Slot, node: number): void {
    this.#folders.get(slot.folder)?.set(slot.name, node);
    this.#parents.set(node, slot.folder);
  }

  #slotOf(path: string): Slot {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    let folder = rootNode;
    for (const part of parts) {
      const next = this.#folders.get(folder)?.get(part);
      if (next === undefined || !this.#folders.has(next)) {
        throw new Error(`the recording never saw the folder ${part} of ${path} made`);
      }
      folder = next;
    }
    return { folder, name };
  }

  #at(slot: Slot): number {
    const node = slot.name === '' ? slot.folder : this.#folders.get(slot.folder)?.get(slot.name);
    if (node === undefined) {
      throw new Error(`the recording never saw ${slot.name} made`);
    }
    return node;
  }

  #handle(handle: number): number {
    const node = this.#handles.get(handle);
    if (node === undefined) {
      throw new Error(`the recording never saw the descriptor ${handle} opened`);
    }
    return node;
  }

  #nodeOf(id: number): FileNode {
    return this.#nodes[id] as FileNode;
  }

  #name(change: Omit<NameChange, 'durableAt'>): void {
    const named = { ...change, durableAt: Number.POSITIVE_INFINITY };
    this.#names.push(named);
    this.#unsyncedNames.add(named);
  }

  #open(event: FileEvent & { kind: 'open' }, at: number): void {
    const slot = this.#slotOf(event.path);
    if (event.marks.isCreated) {
      this.#make('file', event.path, at);
    }
    const node = this.#at(slot);
    this.#handles.set(event.handle, node);
    if (event.marks.isTruncated && !event.marks.isCreated) {
      this.#change(event.handle, { ...rangeOf('cut', 0, 0), begin: at, end: at });
    }
  }

  #make(kind: FileNode['kind'], path: string, at: number, target = ''): void {
    const slot = this.#slotOf(path);
    const node = this.#newNode(kind, { target });
    this.#put(slot, node);
    this.#name({ at, kind: 'create', node, slot, from: undefined });
  }

  #link(path: string, other: string, at: number): void {
    const node = this.#at(this.#slotOf(path));
    const slot = this.#slotOf(other);
    this.#put(slot, node);
    this.#name({ at, kind: 'link', node, slot, from: undefined });
  }

  #rename(path: string, other: string, at: number): void {
    const from = this.#slotOf(path);
    const slot = this.#slotOf(other);
    const node = this.#at(from);
    this.#folders.get(from.folder)?.delete(from.name);
    this.#put(slot, node);
    this.#name({ at, kind: 'rename', node, slot, from });
  }

  #remove(path: string, at: number): void {
    const slot = this.#slotOf(path);
    const node = this.#at(slot);
    this.#folders.get(slot.folder)?.delete(slot.name);
    this.#name({ at, kind: 'remove', node, slot, from: undefined });
  }

  #change(handle: number, change: Change): void {
    const node = this.#handle(handle);
    this.#nodeOf(node).changes.push(change);
    const unsynced = this.#unsynced.get(node) ?? [];
    unsynced.push(change);
    this.#unsynced.set(node, unsynced);
  }

  #allocate(event: FileEvent & { kind: 'fallocate' }, at: number): void {
    const { mode, offset, length, end } = event;
    if ((mode & (fallocPunchHole | fallocZeroRange)) !== 0) {
      this.#change(event.handle, { ...rangeOf('zero', offset, length), begin: at, end });
    }
    if ((mode & (fallocPunchHole | fallocKeepSize)) === 0) {
      this.#change(event.handle, { ...rangeOf('size', offset + length, 0), begin: at, end });
    }
  }

  #sync(event: FileEvent & { kind: 'sync' }, at: number): void {
    const node = this.#handle(event.handle);
    if (this.#folders.has(node)) {
      this.#syncNames(at, event.end, (change) => change.slot.folder === node || change.from?.folder === node);
      return;
    }
    this.#syncData(node, at, event.end);
    if (this.#rules === 'ext4') {
      const path = this.#pathOf(node);
      this.#syncNames(
        at,
        event.end,
        (change) => path.has(change.node) && (!event.isDataOnly || change.node !== node || change.kind === 'create'),
      );
    }
  }

  /** The node and the folders above it. */
  #pathOf(node: number): Set<number> {
    const path = new Set<number>();
    for (let at: number | undefined = node; at !== undefined && !path.has(at); at = this.#parents.get(at)) {
      path.add(at);
    }
    return path;
  }

  /** Syncs may overlap: what one will make survive, another one may make survive earlier. */
  #syncData(node: number, begin: number, end: number): void {
    const unsynced = (this.#unsynced.get(node) ?? []).filter((change) => change.durableAt > begin);
    for (const change of unsynced.filter((one) => one.end <= begin)) {
      change.durableAt = Math.min(change.durableAt, end);
    }
    this.#unsynced.set(node, unsynced);
  }

  #syncNames(begin: number, end: number, concerns: (change: NameChange) => boolean): void {
    for (const change of this.#unsyncedNames) {
      if (change.durableAt <= begin) {
        this.#unsyncedNames.delete(change);
      } else if (change.at <= begin && concerns(change)) {
        change.durableAt = Math.min(change.durableAt, end);
      }
    }
  }
}

function rangeOf(kind: Change['kind'], offset: number, length: number): Omit<Change, 'begin' | 'end'> {
  return { kind, offset, length, data: undefined, durableAt: Number.POSITIVE_INFINITY };
}
