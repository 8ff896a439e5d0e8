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
import {
  type DiskPool,
  findDiskPools,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
} from '@couchestor/shared/kubernetes/objects';
import { Reflector, type ReflectorTimings } from '@couchestor/shared/kubernetes/reflector';
import { resourceName } from '@couchestor/shared/kubernetes/resource';
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
  /** How often it is asked for DiskPools where the cluster has none, and again after an error. */
  readonly diskPoolsIntervalMs: number;
  readonly reflector: Partial<ReflectorTimings>;
}

const defaultTimings: CacheTimings = { graceMs: 30_000, lookIntervalMs: 500, diskPoolsIntervalMs: 60_000, reflector: {} };
const diskPoolsRetryMs = 2_000;

export class ClusterCache {
  readonly storagePolicies: Reflector<RawStoragePolicy>;
  readonly ecPolicies: Reflector<RawErasureCodingPolicy>;
  readonly volumes: Reflector<PersistentVolume>;
  readonly claims: Reflector<PersistentVolumeClaim>;
  readonly volumesByHandle = new VolumeIndex();
  #diskPools: Reflector<DiskPool> | undefined;
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
  #findingDiskPools: Promise<void> = Promise.resolve();

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
      void reflector.synced.then(() => this.#tellPolicies());
    }
    this.#findingDiskPools = this.#findDiskPools();
    this.#look = setInterval(() => this.#observe(), this.#timings.lookIntervalMs);
    this.#observe();
  }

  async stop(): Promise<void> {
    clearInterval(this.#look);
    this.#stopping.abort();
    await this.#findingDiskPools;
    await Promise.all([...this.#reflectors(), this.#diskPools].map((reflector) => reflector?.stop()));
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
    return this.#diskPools?.store ?? new Map();
  }

  /** DiskPools that cannot be read as such, by namespace/name. */
  get invalidDiskPools(): ReadonlyMap<string, string> {
    return this.#diskPools?.invalid ?? new Map();
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

  #reflectors() {
    return [this.storagePolicies, this.ecPolicies, this.volumes, this.claims];
  }

  #observe(): void {
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
    const pools = this.#diskPools;
    const invalidPools = [...this.invalidDiskPools].map(([key, message]) => `DiskPool ${key} is not readable: ${message}`);
    return [
      partOf('StoragePolicies', this.storagePolicies),
      partOf('ErasureCodingPolicies', this.ecPolicies),
      partOf('PersistentVolumes', this.volumes),
      partOf('PersistentVolumeClaims', this.claims),
      pools === undefined
        ? { name: 'DiskPools', synced: this.#diskPoolsKnown, problem: this.#diskPoolsProblem }
        : // Without its labels nobody knows to which tier a pool belongs, nor in which tier its volumes are.
          { name: 'DiskPools', synced: pools.hasSynced && invalidPools.length === 0, problem: invalidPools[0] ?? pools.problem },
    ];
  }

  /** Which version of DiskPools there is, if any; looked for again while there is none, because Mayastor may be installed after us. */
  async #findDiskPools(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#diskPools === undefined) {
      let waitMs = this.#timings.diskPoolsIntervalMs;
      try {
        const resource = await findDiskPools(this.#o.api);
        if (resource !== undefined && !signal.aborted) {
          this.#o.logger.debug({ resource: resourceName(resource), version: resource.version }, 'DiskPools are read');
          this.#diskPools = new Reflector({ ...this.#o, resource, timings: this.#timings.reflector, onChange: () => undefined });
          this.#diskPools.start();
          return;
        }
        this.#diskPoolsKnown = true;
        this.#diskPoolsProblem = undefined;
      } catch (error) {
        // Whether there are any may be asked again; what was answered before stands as long as any other part does.
        this.#diskPoolsProblem = describeError(error).slice(0, 300);
        waitMs = Math.min(waitMs, diskPoolsRetryMs);
      }
      await sleep(waitMs, signal).catch(() => undefined);
    }
  }
}

function partOf(name: string, reflector: { readonly hasSynced: boolean; readonly problem: string | undefined }): Part {
  return { name, synced: reflector.hasSynced, problem: reflector.problem };
}
