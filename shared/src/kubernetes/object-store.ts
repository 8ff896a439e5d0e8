/** What a reflector knows: the objects of one kind by their keys, and what changes in them. No clock, no I/O. */
import type { Listed } from './api.ts';
import { keyOf, type ObjectName } from './resource.ts';
import type { WatchEvent } from './watch-stream.ts';

export class ObjectStore<T extends { readonly metadata: ObjectName & { readonly uid: string; readonly resourceVersion: string } }> {
  readonly valid = new Map<string, T>();
  /** Those whose shape is not known: what is wrong, by key. A key is in one of both. */
  readonly invalid = new Map<string, string>();

  /** Returns the keys of what came, changed or went. */
  replaceAll(listed: Pick<Listed<T>, 'items' | 'invalid'>): string[] {
    const unseen = new Set([...this.valid.keys(), ...this.invalid.keys()]);
    const changed: string[] = [];
    const see = (key: string, differs: boolean): void => {
      unseen.delete(key);
      if (differs) {
        changed.push(key);
      }
    };
    for (const item of listed.items) {
      const key = keyOf(item.metadata);
      see(key, this.#put(key, item));
    }
    for (const object of listed.invalid) {
      const key = keyOf(object);
      see(key, this.#refuse(key, object.message));
    }
    for (const key of unseen) {
      this.#remove(key);
      changed.push(key);
    }
    return changed;
  }

  /** Returns the key where something changed. */
  apply(event: WatchEvent<T>): string | undefined {
    if (event.type === 'BOOKMARK') {
      return undefined;
    }
    const key = keyOf(event);
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        return this.#put(key, event.object) ? key : undefined;
      case 'INVALID':
        return this.#refuse(key, event.message) ? key : undefined;
      case 'DELETED':
        return this.#remove(key) ? key : undefined;
    }
  }

  #put(key: string, object: T): boolean {
    const before = this.valid.get(key)?.metadata;
    if (before !== undefined && before.uid === object.metadata.uid && before.resourceVersion === object.metadata.resourceVersion) {
      // The object stays that was told of: who keeps it would otherwise hold a second one of the same.
      return false;
    }
    this.invalid.delete(key);
    this.valid.set(key, object);
    return true;
  }

  #refuse(key: string, message: string): boolean {
    const before = this.invalid.get(key);
    this.valid.delete(key);
    this.invalid.set(key, message);
    return before !== message;
  }

  #remove(key: string): boolean {
    const wasInvalid = this.invalid.delete(key);
    return this.valid.delete(key) || wasInvalid;
  }
}
