/** An API server of one kind of objects, in memory, with what goes wrong at one: for tests of what follows it. */
import { z } from 'zod';
import type { KubeApi, Listed } from './api.ts';
import { KubeError } from './errors.ts';
import { metadataSchema } from './objects.ts';
import type { Resource } from './resource.ts';
import type { WatchEvent } from './watch-stream.ts';

const thingSchema = z.object({ metadata: metadataSchema, spec: z.object({ size: z.int() }) });
export type Thing = z.infer<typeof thingSchema>;

export const things: Resource<Thing> = {
  group: 'test.example',
  version: 'v1',
  plural: 'things',
  kind: 'Thing',
  namespaced: false,
  schema: thingSchema,
};

interface OpenWatch {
  owesBookmark: boolean;
  /** Undefined ends it in good order. */
  close(error: Error | undefined): void;
  wake(): void;
}

export class FakeCluster {
  readonly objects = new Map<string, Thing | 'invalid'>();
  lists = 0;
  watches = 0;
  /** What the next calls fail with, before they reach anything. */
  readonly failures: Error[] = [];
  /** Every watch is accepted and ends at once. */
  endsWatches = false;
  readonly #history: WatchEvent<Thing>[] = [];
  readonly #open = new Set<OpenWatch>();
  #version = 1;
  #compactedTo = 0;

  get api(): Pick<KubeApi, 'list' | 'watch'> {
    // Typed for one kind, where the client's are for any.
    return { list: () => this.#list(), watch: (_: unknown, o: WatchInput) => this.#watch(o) } as unknown as Pick<KubeApi, 'list' | 'watch'>;
  }

  put(name: string, size: number | 'invalid'): void {
    this.#version += 1;
    const before = this.objects.get(name);
    const identity = { name, resourceVersion: String(this.#version) };
    if (size === 'invalid') {
      this.objects.set(name, 'invalid');
      this.#record({ type: 'INVALID', ...identity, message: 'bad' });
      return;
    }
    const uid = before === undefined || before === 'invalid' ? `uid-${this.#version}` : before.metadata.uid;
    const object: Thing = { metadata: { ...identity, uid }, spec: { size } };
    this.objects.set(name, object);
    this.#record({ type: before === undefined ? 'ADDED' : 'MODIFIED', ...identity, object });
  }

  remove(name: string): void {
    if (this.objects.delete(name)) {
      this.#version += 1;
      this.#record({ type: 'DELETED', name, resourceVersion: String(this.#version) });
    }
  }

  bookmark(): void {
    for (const watch of this.#open) {
      watch.owesBookmark = true;
      watch.wake();
    }
  }

  /** Something of another kind changes: versions count for all kinds together. */
  changeElsewhere(): void {
    this.#version += 1;
  }

  /** Ends all watches: in good order, or with the error. */
  cut(error?: Error): void {
    for (const watch of this.#open) {
      watch.close(error);
    }
  }

  /** Forgets what led here: there is no watch from before any more. Those under way go on. */
  compact(): void {
    this.#compactedTo = this.#version;
  }

  #record(event: WatchEvent<Thing>): void {
    this.#history.push(event);
    for (const watch of this.#open) {
      watch.wake();
    }
  }

  async #list(): Promise<Listed<Thing>> {
    this.lists += 1;
    this.#failIfTold();
    const items = [...this.objects.values()].filter((object) => object !== 'invalid');
    const invalid = [...this.objects].filter(([, object]) => object === 'invalid').map(([name]) => ({ name, message: 'bad' }));
    return { items, invalid, resourceVersion: String(this.#version) };
  }

  async *#watch(o: WatchInput): AsyncGenerator<WatchEvent<Thing>, void, undefined> {
    this.watches += 1;
    this.#failIfTold();
    let version = Number(o.resourceVersion);
    if (version < this.#compactedTo) {
      throw new KubeError('GONE');
    }
    o.onOpen?.();
    if (this.endsWatches) {
      return;
    }
    let ended: { error: Error | undefined } | undefined;
    let wake: () => void = () => undefined;
    const watch: OpenWatch = {
      owesBookmark: false,
      close: (error) => {
        ended ??= { error };
        wake();
      },
      wake: () => wake(),
    };
    const timer = setTimeout(() => watch.close(undefined), o.timeoutSeconds * 1_000);
    const onAbort = (): void => watch.close(o.signal.reason as Error);
    o.signal.addEventListener('abort', onAbort);
    this.#open.add(watch);
    try {
      while (ended === undefined) {
        const next = this.#history.find((event) => Number(event.resourceVersion) > version);
        if (next !== undefined) {
          version = Number(next.resourceVersion);
          yield next;
        } else if (watch.owesBookmark) {
          watch.owesBookmark = false;
          version = this.#version;
          yield { type: 'BOOKMARK', resourceVersion: String(version) };
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
      if (ended.error !== undefined) {
        throw ended.error;
      }
    } finally {
      clearTimeout(timer);
      o.signal.removeEventListener('abort', onAbort);
      this.#open.delete(watch);
    }
  }

  #failIfTold(): void {
    const failure = this.failures.shift();
    if (failure !== undefined) {
      throw failure;
    }
  }
}

interface WatchInput {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly onOpen?: () => void;
}
