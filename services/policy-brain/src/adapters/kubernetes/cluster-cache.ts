/**
 * Everything that the brain reads from Kubernetes, in memory and up to date: StoragePolicies, ErasureCodingPolicies, PersistentVolumes with
 * their claims, and DiskPools.
 *
 * What it says when the API server is away, and why (S4, S5):
 *
 * - Before everything was read once, it says that nothing may be decided. An empty cache is not an empty cluster: a volume would lack the
 *   label that keeps it where it is, and a pool the label that makes it belong to a tier.
 * - A connection that breaks is made again within seconds, and meanwhile what was read last counts. Nobody gains from a brain that stops
 *   at each restart of the API server, and whoever edits a policy in such a moment is a few seconds late at most.
 * - After `graceMs` it says that nothing may be decided, until everything is up to date again. With the API server down nobody can have
 *   changed anything, and going on would do no harm; but it looks the same from here when only our own connection is cut, and then a
 *   policy that was disabled to stop moves would be obeyed by everybody but us. A connection that is silent and not broken is noticed by its
 *   missing bookmarks, so that a change is obeyed within that time and the grace together.
 *
 * DiskPools are of a definition that is not ours: Mayastor may be installed after us, be upgraded to another version of them, or be removed.
 * So it is asked time and again which version is served, and what was read in the version before counts until the new one was read, no
 * longer than the grace. That no version is served any more is believed after the grace only: an API server that has just started may not
 * have heard of it yet, and pools without their labels are in no tier.
 *
 * Nothing is started in such a time; a move that is under way goes on to the end of its replica, because stopping half-way is no safer,
 * and before its next replica the migrator asks the brain, which then gives no answer.
 */
import {
  erasureCodingPolicies,
  type RawErasureCodingPolicy,
  type RawStoragePolicy,
  storagePolicies,
} from '@couchestor/shared/crds/resources';
import { describeError } from '@couchestor/shared/errors';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import {
  type DiskPool,
  findDiskPools,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
} from '@couchestor/shared/kubernetes/objects';
import { Reflector, type ReflectorTimings } from '@couchestor/shared/kubernetes/reflector';
import { type Resource, resourceName } from '@couchestor/shared/kubernetes/resource';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { Registry } from 'prom-client';
import { Freshness, type Part } from '../../domain/freshness.ts';
import { BrainError } from '../../errors.ts';
import { VolumeIndex } from './volume-index.ts';

export interface CacheTimings {
  /** How long what was read last counts while the API server is away. */
  readonly graceMs: number;
  /** How often it is looked whether everything is up to date. */
  readonly lookIntervalMs: number;
  /** How often it is asked which version of DiskPools the cluster serves. */
  readonly diskPoolsIntervalMs: number;
  readonly reflector: Partial<ReflectorTimings>;
}

const defaultTimings: CacheTimings = { graceMs: 30_000, lookIntervalMs: 500, diskPoolsIntervalMs: 60_000, reflector: {} };
/** After an error, and where the version that is followed is not served any more. */
const diskPoolsRetryMs = 2_000;
/** As the words of a reflector's problem have it. */
const notFoundCode = new KubeError('NOT_FOUND').code;

export class ClusterCache {
  readonly storagePolicies: Reflector<RawStoragePolicy>;
  readonly ecPolicies: Reflector<RawErasureCodingPolicy>;
  readonly volumes: Reflector<PersistentVolume>;
  readonly claims: Reflector<PersistentVolumeClaim>;
  readonly volumesByHandle = new VolumeIndex();
  #diskPools: { readonly version: string; readonly reflector: Reflector<DiskPool> } | undefined;
  /** Of another version, stopped: what it has read counts until the present one has read everything. */
  #diskPoolsBefore: Reflector<DiskPool> | undefined;
  /** Since when no version has been served, while one is followed. */
  #noDiskPoolsSinceMs: number | undefined;
  /** False until the API server has said whether it knows DiskPools at all. */
  #diskPoolsKnown = false;
  #diskPoolsProblem: string | undefined;

  readonly #o: { readonly api: KubeApi; readonly logger: Logger; readonly registry?: Registry };
  readonly #timings: CacheTimings;
  readonly #freshness: Freshness;
  readonly #policyListeners = new Set<() => void>();
  readonly #readableListeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #look: NodeJS.Timeout | undefined;
  #followingDiskPools: Promise<void> = Promise.resolve();

  constructor(o: { api: KubeApi; logger: Logger; registry?: Registry; timings?: Partial<CacheTimings> }) {
    this.#o = o;
    this.#timings = { ...defaultTimings, ...o.timings };
    this.#freshness = new Freshness({ graceMs: this.#timings.graceMs });
    const shared = { ...o, timings: this.#timings.reflector };
    const tell = () => this.#tellPolicies();
    this.storagePolicies = new Reflector({ ...shared, resource: storagePolicies, onChange: tell });
    this.ecPolicies = new Reflector({ ...shared, resource: erasureCodingPolicies, onChange: tell });
    this.volumes = new Reflector({
      ...shared,
      resource: persistentVolumes,
      onChange: (key) => this.volumesByHandle.set(key, this.volumes.store.get(key)),
    });
    this.claims = new Reflector({ ...shared, resource: persistentVolumeClaims, onChange: () => undefined });
  }

  /** Returns at once; nothing is known yet. */
  start(): void {
    for (const reflector of this.#reflectors()) {
      reflector.start();
      // Also where there is nothing to tell of: an empty list is an answer.
      void reflector.synced.then(() => {
        this.#observe();
        this.#tellPolicies();
      });
    }
    this.#followingDiskPools = this.#followDiskPools();
    this.#look = setInterval(() => this.#observe(), this.#timings.lookIntervalMs);
    this.#observe();
  }

  async stop(): Promise<void> {
    clearInterval(this.#look);
    this.#stopping.abort();
    await this.#followingDiskPools;
    await Promise.all([...this.#reflectors(), this.#diskPools?.reflector].map((reflector) => reflector?.stop()));
  }

  /** Why nothing may be decided by what is here; undefined where it may. */
  get problem(): string | undefined {
    return this.#freshness.problem;
  }

  /** Throws where nothing may be decided. */
  assertReadable(): void {
    if (this.problem !== undefined) {
      throw new BrainError('KUBERNETES_UNREADABLE', { problem: this.problem });
    }
  }

  /** DiskPools by namespace/name. Empty where the cluster does not know such objects. */
  get diskPools(): ReadonlyMap<string, DiskPool> {
    return this.#readDiskPools?.store ?? new Map();
  }

  /** DiskPools that cannot be read as such, by namespace/name. */
  get invalidDiskPools(): ReadonlyMap<string, string> {
    return this.#readDiskPools?.invalid ?? new Map();
  }

  /** Calls whenever a policy may have changed, until the returned function is called. */
  onPolicies(listener: () => void): () => void {
    this.#policyListeners.add(listener);
    return () => this.#policyListeners.delete(listener);
  }

  /** Calls whenever `problem` comes or goes. */
  onReadable(listener: () => void): () => void {
    this.#readableListeners.add(listener);
    return () => this.#readableListeners.delete(listener);
  }

  #tellPolicies(): void {
    for (const listener of this.#policyListeners) {
      listener();
    }
  }

  get #readDiskPools(): Reflector<DiskPool> | undefined {
    return this.#diskPoolsBefore ?? this.#diskPools?.reflector;
  }

  #reflectors() {
    return [this.storagePolicies, this.ecPolicies, this.volumes, this.claims];
  }

  #observe(): void {
    if (this.#stopping.signal.aborted) {
      return;
    }
    const before = this.#freshness.problem;
    this.#freshness.observe(this.#parts(), performance.now());
    const { problem } = this.#freshness;
    // Its words change with every attempt to connect; only that it comes or goes is news.
    if ((problem === undefined) === (before === undefined)) {
      return;
    }
    if (before === undefined) {
      this.#o.logger.warn({ problem }, 'Kubernetes cannot be read: no volume is decided on');
    } else if (problem === undefined) {
      this.#o.logger.info('everything is read from Kubernetes');
    }
    for (const listener of this.#readableListeners) {
      listener();
    }
  }

  #parts(): Part[] {
    const invalidPools = [...this.invalidDiskPools].map(([key, message]) => `DiskPool ${key} is not readable: ${message}`);
    return [
      partOf('StoragePolicies', this.storagePolicies),
      partOf('ErasureCodingPolicies', this.ecPolicies),
      partOf('PersistentVolumes', this.volumes),
      partOf('PersistentVolumeClaims', this.claims),
      this.#diskPools === undefined
        ? { name: 'DiskPools', synced: this.#diskPoolsKnown, problem: this.#diskPoolsProblem }
        : // Without its labels nobody knows to which tier a pool belongs, nor in which tier its volumes are.
          {
            name: 'DiskPools',
            synced: this.#readDiskPools?.hasSynced === true && invalidPools.length === 0,
            problem: invalidPools[0] ?? this.#diskPools.reflector.problem,
          },
    ];
  }

  /** Asked for as long as the brain runs: the version that is served may change, come and go. */
  async #followDiskPools(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let waitMs = this.#timings.diskPoolsIntervalMs;
      try {
        const resource = await findDiskPools(this.#o.api);
        if (signal.aborted) {
          return;
        }
        if (resource === undefined) {
          await this.#missDiskPools();
        } else {
          await this.#readDiskPoolsAs(resource);
        }
        this.#diskPoolsProblem = undefined;
        this.#observe();
      } catch (error) {
        // Whether there are any may be asked again; what was answered before stands as long as any other part does.
        this.#noDiskPoolsSinceMs = undefined;
        this.#diskPoolsProblem = describeError(error).slice(0, 300);
        waitMs = Math.min(waitMs, diskPoolsRetryMs);
      }
      await this.#untilDiskPoolsAreDue(waitMs);
    }
  }

  async #readDiskPoolsAs(resource: Resource<DiskPool>): Promise<void> {
    const { version } = resource;
    this.#noDiskPoolsSinceMs = undefined;
    if (this.#diskPools?.version === version) {
      return;
    }
    const before = this.#diskPools?.reflector;
    // First, because both show themselves by the metrics of one kind of object.
    await before?.stop();
    if (this.#stopping.signal.aborted) {
      return;
    }
    this.#o.logger.debug({ resource: resourceName(resource), version }, 'DiskPools are read');
    const reflector = new Reflector({ ...this.#o, resource, timings: this.#timings.reflector, onChange: () => undefined });
    if (before?.hasSynced === true) {
      this.#diskPoolsBefore ??= before;
    }
    this.#diskPools = { version, reflector };
    reflector.start();
    void reflector.synced.then(() => {
      if (this.#diskPools?.reflector === reflector) {
        this.#diskPoolsBefore = undefined;
        this.#observe();
      }
    });
  }

  /** No version is served. */
  async #missDiskPools(): Promise<void> {
    this.#noDiskPoolsSinceMs ??= performance.now();
    if (this.#diskPools !== undefined) {
      if (performance.now() - this.#noDiskPoolsSinceMs < this.#timings.graceMs) {
        return;
      }
      this.#o.logger.info('DiskPools are not served any more: pools have the labels of Mayastor only');
      const { reflector } = this.#diskPools;
      this.#diskPools = undefined;
      this.#diskPoolsBefore = undefined;
      await reflector.stop();
    }
    this.#diskPoolsKnown = true;
  }

  /** Earlier where what is followed is not there any more. */
  async #untilDiskPoolsAreDue(waitMs: number): Promise<void> {
    const { signal } = this.#stopping;
    const dueMs = performance.now() + waitMs;
    for (let leftMs = waitMs; leftMs > 0 && !signal.aborted; leftMs = dueMs - performance.now()) {
      await sleep(Math.min(leftMs, diskPoolsRetryMs), signal).catch(() => undefined);
      const isGone = this.#diskPools?.reflector.problem?.includes(notFoundCode) === true;
      if (isGone || (this.#diskPools !== undefined && this.#noDiskPoolsSinceMs !== undefined)) {
        return;
      }
    }
  }
}

function partOf(name: string, reflector: { readonly hasSynced: boolean; readonly problem: string | undefined }): Part {
  return { name, synced: reflector.hasSynced, problem: reflector.problem };
}
