/**
 * A copy in memory of all objects of one kind, kept up to date.
 *
 * List, then watch from the list's version. A watch that ends or breaks is begun again from the last version seen, and so loses nothing. A
 * version that is too old, or an answer that makes no sense, is healed by a new list, and so is, every `resyncMs`, whatever else may have
 * gone wrong unseen. Bookmarks keep the version of a quiet watch young; a watch in which not even a bookmark comes is taken for dead.
 * However a round ends, the next one waits unless the watch had lived for a while, so that no answer makes this a hot loop.
 *
 * `onChange` is for putting a key into a queue and for nothing else. Several changes of one key between two lists come as one. What it
 * throws is logged, and the reflector goes on.
 */
import type { Registry } from 'prom-client';
import { type CodedError, describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { sleep } from '../time.ts';
import type { KubeApi, Listed } from './api.ts';
import { type BackoffLimits, backoffMs } from './backoff.ts';
import { KubeError } from './errors.ts';
import { type KubernetesMetrics, kubernetesMetrics } from './metrics.ts';
import { ObjectStore } from './object-store.ts';
import { type Resource, resourceName } from './resource.ts';

export interface ReflectorTimings extends BackoffLimits {
  /** Bookmarks come about once a minute: one of them may be missed. */
  readonly inactivityMs: number;
  /** Drawn anew for each watch, so that those of all clients do not end together. */
  readonly watchSecondsMin: number;
  readonly watchSecondsMax: number;
  /** Looked at whenever a watch ends: a list is at most one watch later than this. */
  readonly resyncMs: number;
  /** A watch that lived so long was a good one: the back-off starts anew. */
  readonly healthyMs: number;
}

export const reflectorTimings: ReflectorTimings = {
  firstMs: 800,
  longestMs: 30_000,
  inactivityMs: 150_000,
  watchSecondsMin: 240,
  watchSecondsMax: 480,
  resyncMs: 15 * 60_000,
  healthyMs: 30_000,
};

/** Why a list is made. */
type ListReason = 'first' | 'gone' | 'refused' | 'resync';

/** What a reflector asks of its objects. */
export interface Reflected {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid: string;
    readonly resourceVersion: string;
  };
}

export class Reflector<T extends Reflected> {
  /** Resolves after the first complete list. Never rejects: without an API server it waits, and `problem` says why. */
  readonly synced: Promise<void>;
  readonly #api: Pick<KubeApi, 'list' | 'watch'>;
  readonly #resource: Resource<T>;
  readonly #namespace: string | undefined;
  readonly #onChange: (key: string) => void;
  readonly #logger: Logger;
  readonly #metrics: KubernetesMetrics | undefined;
  readonly #timings: ReflectorTimings;
  readonly #random: () => number;
  readonly #name: string;
  readonly #stopping = new AbortController();
  readonly #objects = new ObjectStore<T>();
  #markSynced: () => void = () => undefined;
  #hasSynced = false;
  #problem: string | undefined = 'not listed yet';
  #running: Promise<void> | undefined;
  #version = '';
  #listedAtMs = 0;
  /** When the present watch was accepted. */
  #openedAtMs: number | undefined;

  constructor(o: {
    api: Pick<KubeApi, 'list' | 'watch'>;
    resource: Resource<T>;
    namespace?: string | undefined;
    onChange: (key: string) => void;
    logger: Logger;
    registry?: Registry | undefined;
    timings?: Partial<ReflectorTimings>;
    random?: () => number;
  }) {
    this.#api = o.api;
    this.#resource = o.resource;
    this.#namespace = o.namespace;
    this.#onChange = o.onChange;
    this.#logger = o.logger;
    this.#metrics = o.registry === undefined ? undefined : kubernetesMetrics(o.registry);
    this.#timings = { ...reflectorTimings, ...o.timings };
    this.#random = o.random ?? Math.random;
    this.#name = resourceName(o.resource);
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
  }

  /** By `name`, or `namespace/name`. */
  get store(): ReadonlyMap<string, T> {
    return this.#objects.valid;
  }

  /** What is wrong with the objects that the schema refuses, by their key. They are not in the store, also where they once were. */
  get invalid(): ReadonlyMap<string, string> {
    return this.#objects.invalid;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Why the store may not be up to date at this moment; undefined while it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    if (this.#running !== undefined) {
      throw new TypeError(`the reflector of ${this.#name} was started twice`);
    }
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the reflector was stopped'));
    await this.#running;
    this.#showProblem('stopped');
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let listFor: ListReason | undefined = 'first';
    let failures = 0;
    this.#showProblem(this.#problem);
    while (!signal.aborted) {
      this.#openedAtMs = undefined;
      let error: unknown;
      try {
        if (listFor !== undefined) {
          await this.#list(listFor);
          listFor = undefined;
        }
        await this.#watch();
      } catch (thrown) {
        error = thrown;
      }
      if (signal.aborted) {
        return;
      }
      this.#countWatch(error);
      listFor ??= this.#reasonToList(error);
      if (this.#watchedForMs() >= this.#timings.healthyMs) {
        failures = 0;
        if (error === undefined) {
          continue;
        }
      }
      failures += 1;
      await this.#pause(failures, error);
    }
  }

  async #list(reason: ListReason): Promise<void> {
    const listed = await this.#api.list(this.#resource, { namespace: this.#namespace, signal: this.#stopping.signal });
    this.#version = listed.resourceVersion;
    this.#listedAtMs = performance.now();
    this.#metrics?.lists.inc({ resource: this.#name, reason });
    this.#take(listed);
    this.#logger.debug({ resource: this.#name, reason, objects: this.store.size, invalid: this.invalid.size }, 'listed');
  }

  /** Tells only when all is taken, so that whoever looks up another object meanwhile finds everything of one moment. */
  #take(listed: Listed<T>): void {
    const changed = this.#objects.replaceAll(listed);
    this.#hasSynced = true;
    this.#showCounts();
    for (const key of changed) {
      this.#tell(key);
    }
    this.#markSynced();
  }

  async #watch(): Promise<void> {
    const { watchSecondsMin, watchSecondsMax, inactivityMs } = this.#timings;
    const events = this.#api.watch(this.#resource, {
      resourceVersion: this.#version,
      namespace: this.#namespace,
      inactivityMs,
      timeoutSeconds: Math.round(watchSecondsMin + this.#random() * (watchSecondsMax - watchSecondsMin)),
      signal: this.#stopping.signal,
      onOpen: () => {
        this.#openedAtMs = performance.now();
        this.#showProblem(undefined);
      },
    });
    for await (const event of events) {
      const changed = this.#objects.apply(event);
      this.#version = event.resourceVersion;
      if (changed !== undefined) {
        this.#showCounts();
        this.#tell(changed);
      }
    }
  }

  #tell(key: string): void {
    try {
      this.#onChange(key);
    } catch (err) {
      this.#logger.error({ err, resource: this.#name, key }, 'a change could not be passed on; it is with the next one of this object');
    }
  }

  /** The last version seen is no place to go on from where it is too old, or where the API server makes no sense from there on. */
  #reasonToList(error: unknown): ListReason | undefined {
    if (KubeError.is(error, 'GONE')) {
      return 'gone';
    }
    const mayGoOn = error === undefined || (['UNREACHABLE', 'TIMED_OUT', 'THROTTLED'] as const).some((code) => KubeError.is(error, code));
    if (!mayGoOn) {
      return 'refused';
    }
    return performance.now() - this.#listedAtMs >= this.#timings.resyncMs ? 'resync' : undefined;
  }

  #watchedForMs(): number {
    return this.#openedAtMs === undefined ? 0 : performance.now() - this.#openedAtMs;
  }

  async #pause(failures: number, error: unknown): Promise<void> {
    const why = error === undefined ? 'the API server ends the watch at once' : describeError(error);
    const asked = KubeError.is(error, 'THROTTLED') ? retryAfterMs(error) : 0;
    const ms = Math.max(asked, backoffMs(failures, this.#timings, this.#random()));
    const line = { ...(error === undefined ? {} : { err: error }), resource: this.#name, failures, waitsMs: ms };
    // Said once, and then where it goes on.
    this.#logger[this.#problem === undefined || failures === 1 ? 'warn' : 'debug'](line, 'not up to date with the API server');
    this.#showProblem(why);
    await sleep(ms, this.#stopping.signal).catch(() => undefined);
  }

  #showProblem(problem: string | undefined): void {
    if (problem === undefined && this.#problem !== undefined) {
      this.#logger.info({ resource: this.#name, objects: this.store.size }, 'up to date with the API server');
    }
    this.#problem = problem;
    this.#metrics?.upToDate.set({ resource: this.#name }, problem === undefined ? 1 : 0);
  }

  #showCounts(): void {
    this.#metrics?.objects.set({ resource: this.#name, valid: 'yes' }, this.store.size);
    this.#metrics?.objects.set({ resource: this.#name, valid: 'no' }, this.invalid.size);
  }

  #countWatch(error: unknown): void {
    if (this.#openedAtMs === undefined) {
      return;
    }
    let ended = error === undefined ? 'orderly' : 'broken';
    if (KubeError.is(error, 'GONE')) {
      ended = 'gone';
    } else if (KubeError.is(error, 'TIMED_OUT')) {
      ended = 'silent';
    }
    this.#metrics?.watches.inc({ resource: this.#name, ended });
  }
}

function retryAfterMs(error: CodedError): number {
  return Number(error.facts['retryAfterMs'] ?? 0);
}
