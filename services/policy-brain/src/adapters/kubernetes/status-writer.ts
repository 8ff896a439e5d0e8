/**
 * Writes the status of custom resources of one kind: only what changed, at most one patch of an object every few seconds, through a queue
 * that backs off from an object that cannot be written.
 *
 * Every patch names the resource version that it was made from. The API server compares no uid in a patch of a status, and without either,
 * what is known of a deleted policy would be written into one that was made anew under its name. Where somebody else has written at the
 * same time, be it a label, the patch is refused, and made again from what there is then. Our own patch comes back as a change of the object;
 * until it has, the answer to the patch stands for it.
 */
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import type { Metadata } from '@couchestor/shared/kubernetes/objects';
import type { Resource } from '@couchestor/shared/kubernetes/resource';
import { WorkQueue } from '@couchestor/shared/kubernetes/work-queue';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { Registry } from 'prom-client';
import { statusPatch, urgencyOf } from '../../domain/status-change.ts';

export interface StatusTimings {
  /** Between two patches of one object. */
  readonly gapMs: number;
  /** Where nothing but words changed. */
  readonly wordsGapMs: number;
  /** The time of the last look is written after this, where nothing else is. */
  readonly staleMs: number;
}

const defaultTimings: StatusTimings = { gapMs: 3_000, wordsGapMs: 60_000, staleMs: 10 * 60_000 };
/** The API server answers a small patch within milliseconds; two at a time are enough for any number of policies. */
const concurrency = 2;
const stopBudgetMs = 500;

interface WithStatus {
  readonly metadata: Metadata;
  readonly status?: object | undefined;
}

interface Written<T> {
  /** Resource version of the object in the store when it was written. */
  readonly basedOn: string;
  /** As the API server has it of us. */
  readonly object: T;
  readonly atMs: number;
}

export class StatusWriter<T extends WithStatus> {
  readonly #o: StatusWriterInput<T>;
  readonly #timings: StatusTimings;
  readonly #queue: WorkQueue;
  readonly #written = new Map<string, Written<T>>();

  constructor(o: StatusWriterInput<T>) {
    this.#o = o;
    this.#timings = { ...defaultTimings, ...o.timings };
    this.#queue = new WorkQueue({
      name: `${o.resource.plural}/status`,
      handle: (name, signal) => this.#bring(name, signal),
      logger: o.logger,
      registry: o.registry,
      concurrency,
    });
  }

  /** Looks whether the object's status is what it should be, soon. */
  look(name: string): void {
    this.#queue.add(name);
  }

  /** At every object; those that are gone are forgotten. */
  lookAtAll(): void {
    const { store } = this.#o;
    [...this.#written.keys()].filter((name) => !store.has(name)).forEach((name) => this.#written.delete(name));
    [...store.keys()].forEach((name) => this.look(name));
  }

  /** What is under way has a moment to end. It may be left: a status that was not written is written by the next leader. */
  async stop(): Promise<void> {
    await Promise.race([this.#queue.stop(), sleep(stopBudgetMs)]);
  }

  async #bring(name: string, signal: AbortSignal): Promise<void> {
    const { store, resource, api, statusOf, logger } = this.#o;
    const stored = store.get(name);
    if (stored === undefined || stored.metadata.deletionTimestamp !== undefined) {
      this.#written.delete(name);
      return;
    }
    const before = this.#asWritten(stored);
    const wanted = await statusOf(before);
    // It may have taken long, and the term may be over meanwhile.
    if (signal.aborted) {
      return;
    }
    const patch = wanted === undefined ? undefined : statusPatch(before.status, wanted);
    if (patch === undefined || this.#mustWait(name, patch, before)) {
      return;
    }
    const basis = { basedOn: stored.metadata.resourceVersion, atMs: performance.now() };
    const { resourceVersion } = before.metadata;
    try {
      const object = await api.mergePatch(resource, { name, subresource: 'status' }, { metadata: { resourceVersion }, status: patch });
      this.#written.set(name, { ...basis, object });
    } catch (error) {
      if (KubeError.is(error, 'NOT_FOUND')) {
        this.#written.delete(name);
        return;
      }
      if (KubeError.is(error, 'INVALID')) {
        // Trying again at once would be refused again; the next look comes with the next round.
        logger.error({ err: error, name, resource: resource.plural }, 'the API server refuses a status');
        this.#written.set(name, { ...basis, object: before });
        return;
      }
      // Also CONFLICT. The queue comes again, by when the store has caught up.
      throw error;
    }
  }

  /** The object with what was last written, also where the store does not know yet. A resource version is that of one object only. */
  #asWritten(stored: T): T {
    const written = this.#written.get(stored.metadata.name);
    return written?.basedOn === stored.metadata.resourceVersion ? written.object : stored;
  }

  #mustWait(name: string, patch: NonNullable<ReturnType<typeof statusPatch>>, { status }: T): boolean {
    const { gapMs, wordsGapMs, staleMs } = this.#timings;
    const lookedAt = Date.parse((status as { lastReconcileTime?: string } | undefined)?.lastReconcileTime ?? '');
    const urgency = urgencyOf(patch, { from: status, ageMs: Number.isNaN(lookedAt) ? staleMs : this.#o.now() - lookedAt, staleMs });
    if (urgency === 'not') {
      return true;
    }
    const writtenAtMs = this.#written.get(name)?.atMs ?? Number.NEGATIVE_INFINITY;
    const waitMs = writtenAtMs + (urgency === 'soon' ? gapMs : wordsGapMs) - performance.now();
    if (waitMs > 0) {
      this.#queue.addAfter(name, Math.ceil(waitMs));
    }
    return waitMs > 0;
  }
}

export interface StatusWriterInput<T extends WithStatus> {
  readonly api: Pick<KubeApi, 'mergePatch'>;
  readonly resource: Resource<T>;
  readonly store: ReadonlyMap<string, T>;
  /** What the status should be; undefined where that is not known at present. */
  readonly statusOf: (object: T) => Promise<object | undefined>;
  /** Epoch ms, by the clock whose times are in the status. */
  readonly now: () => number;
  readonly logger: Logger;
  readonly registry?: Registry | undefined;
  readonly timings?: Partial<StatusTimings> | undefined;
}
