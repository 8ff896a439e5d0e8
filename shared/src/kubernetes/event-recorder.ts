/**
 * Events on objects, for people who `kubectl describe` them.
 *
 * Best effort by design: emit() never waits and never throws, and nothing depends on an event having arrived. The same event again raises
 * the count of the first one; an object that says more than its share is silent until its share has grown again; the queue has an end, and
 * what does not fit is dropped. What is lost is counted, and told in the log at most once in a while.
 *
 * They are core/v1 Events, which every version shows and which can be patched with a new count; an Event on an object that has no
 * namespace lives in `default`.
 */
import { randomBytes } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { CodedError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Clock, sleep } from '../time.ts';
import { isMissingObject } from './answer.ts';
import type { KubeApi } from './api.ts';
import { backoffMs } from './backoff.ts';
import { KubeError } from './errors.ts';
import { type KubernetesMetrics, kubernetesMetrics } from './metrics.ts';
import { events } from './objects.ts';
import { apiVersionOf, type Resource } from './resource.ts';

export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
}

export interface EventInput {
  readonly regarding: ObjectReference;
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** Default: that of the object, or `default` for one without. The API server takes no other. */
  readonly namespace?: string | undefined;
}

export interface EventTimings {
  /** The same event within this time is counted on the first one. */
  readonly aggregateMs: number;
  /** So many events on one object at once, and one more for each `refillMs`. */
  readonly burst: number;
  readonly refillMs: number;
  /** How often a loss is logged at most. */
  readonly complainMs: number;
  readonly retry: { readonly firstMs: number; readonly longestMs: number; readonly attempts: number };
}

const eventTimings: EventTimings = {
  aggregateMs: 10 * 60_000,
  burst: 25,
  refillMs: 60_000,
  complainMs: 10 * 60_000,
  retry: { firstMs: 1_000, longestMs: 10_000, attempts: 4 },
};

const queueMax = 1_000;
// Of events for counting and of objects for their shares: a few MB at most.
const rememberedMax = 4_096;
const messageCharsMax = 1_000;
// An object's name may have 253 characters, and so may the event's, with a suffix of 17.
const nameCharsMax = 253 - 17;

interface Series {
  readonly input: EventInput;
  readonly namespace: string;
  readonly name: string;
  readonly firstAtMs: number;
  lastAtMs: number;
  count: number;
  /** Undefined until the API server has it. */
  storedCount: number | undefined;
}

export function referenceTo(
  resource: Resource<unknown>,
  object: { readonly metadata: { readonly name: string; readonly namespace?: string | undefined; readonly uid?: string | undefined } },
): ObjectReference {
  const { name, namespace, uid } = object.metadata;
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, name, namespace, uid };
}

export class EventRecorder {
  readonly #api: Pick<KubeApi, 'create' | 'mergePatch'>;
  readonly #component: string;
  readonly #logger: Logger;
  readonly #now: Clock;
  readonly #random: () => number;
  readonly #timings: EventTimings;
  readonly #metrics: KubernetesMetrics | undefined;
  readonly #series = new Map<string, Series>();
  readonly #shares = new Map<string, { left: number; atMs: number }>();
  /** To be written, each once however often it has risen. */
  readonly #queue = new Set<Series>();
  readonly #stopping = new AbortController();
  #writing: Promise<void> | undefined;
  #lost = 0;
  #complainedAtMs = Number.NEGATIVE_INFINITY;

  /** @param o.component who says it, for example `policy-brain` */
  constructor(o: {
    api: Pick<KubeApi, 'create' | 'mergePatch'>;
    component: string;
    logger: Logger;
    registry?: Registry | undefined;
    now?: Clock;
    random?: () => number;
    timings?: Partial<EventTimings>;
  }) {
    this.#api = o.api;
    this.#component = o.component;
    this.#logger = o.logger;
    this.#now = o.now ?? Date.now;
    this.#random = o.random ?? Math.random;
    this.#timings = { ...eventTimings, ...o.timings };
    this.#metrics = o.registry === undefined ? undefined : kubernetesMetrics(o.registry);
  }

  emit(input: EventInput): void {
    if (this.#stopping.signal.aborted) {
      return;
    }
    const series = this.#seriesOf(input);
    if (!this.#takeShare(input) || (!this.#queue.has(series) && this.#queue.size >= queueMax)) {
      this.#lose('dropped', undefined);
      return;
    }
    series.count += 1;
    series.lastAtMs = this.#now();
    this.#queue.add(series);
    this.#writing ??= this.#writeAll();
  }

  /** Writes what waits for as long as `budgetMs`, and drops the rest. */
  async stop(o: { budgetMs: number }): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), o.budgetMs);
    await this.#writing;
    clearTimeout(timer);
    this.#stopping.abort();
  }

  #seriesOf(input: EventInput): Series {
    const { regarding } = input;
    const message = input.message.length > messageCharsMax ? `${input.message.slice(0, messageCharsMax - 3)}...` : input.message;
    const key = JSON.stringify([objectKey(regarding), input.namespace, input.type, input.reason, message]);
    const nowMs = this.#now();
    const known = this.#series.get(key);
    if (known !== undefined && nowMs - known.lastAtMs < this.#timings.aggregateMs) {
      return known;
    }
    const series: Series = {
      input: { ...input, message },
      namespace: input.namespace ?? regarding.namespace ?? 'default',
      name: `${regarding.name.slice(0, nameCharsMax)}.${randomBytes(8).toString('hex')}`,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      count: 0,
      storedCount: undefined,
    };
    remember(this.#series, key, series);
    return series;
  }

  /** One bucket of tokens for each object. */
  #takeShare(input: EventInput): boolean {
    const key = objectKey(input.regarding);
    const nowMs = this.#now();
    const { burst, refillMs } = this.#timings;
    const before = this.#shares.get(key) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, before.left + Math.max(0, nowMs - before.atMs) / refillMs);
    remember(this.#shares, key, { left: left < 1 ? left : left - 1, atMs: nowMs });
    return left >= 1;
  }

  async #writeAll(): Promise<void> {
    // Not within emit(), and so that what is said in one breath is counted together.
    await Promise.resolve();
    for (const series of this.#queue) {
      this.#queue.delete(series);
      if (this.#stopping.signal.aborted) {
        this.#lose('dropped', undefined);
        continue;
      }
      await this.#write(series);
    }
    // Here and not in a then(): what is emitted from now on starts anew.
    this.#writing = undefined;
  }

  async #write(series: Series): Promise<void> {
    const { attempts, ...limits } = this.#timings.retry;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#send(series);
        this.#metrics?.events.inc({ result: 'sent' });
        return;
      } catch (error) {
        const mayRetry = KubeError.is(error) && error.retry && attempt < attempts;
        if (!mayRetry || this.#stopping.signal.aborted) {
          this.#lose('failed', error);
          return;
        }
        await sleep(Math.max(backoffMs(attempt, limits, this.#random()), askedMs(error)), this.#stopping.signal).catch(() => undefined);
      }
    }
  }

  async #send(series: Series): Promise<void> {
    const { name, namespace, count } = series;
    const lastTimestamp = rfc3339(series.lastAtMs);
    if (series.storedCount !== undefined) {
      try {
        await this.#api.mergePatch(events, { name, namespace }, { count, lastTimestamp });
        series.storedCount = count;
        return;
      } catch (error) {
        // The API server forgets events after an hour.
        if (!isMissingObject(error)) {
          throw error;
        }
        series.storedCount = undefined;
      }
    }
    const { regarding, type, reason, message } = series.input;
    try {
      await this.#api.create(events, {
        metadata: { name, namespace },
        involvedObject: regarding,
        type,
        reason,
        message,
        count,
        firstTimestamp: rfc3339(series.firstAtMs),
        lastTimestamp,
        source: { component: this.#component },
        reportingComponent: this.#component,
      });
    } catch (error) {
      // An attempt before this one had its effect after all.
      if (!KubeError.is(error, 'ALREADY_EXISTS')) {
        throw error;
      }
    }
    series.storedCount = count;
  }

  #lose(result: 'dropped' | 'failed', err: unknown): void {
    this.#lost += 1;
    this.#metrics?.events.inc({ result });
    const nowMs = this.#now();
    if (nowMs - this.#complainedAtMs >= this.#timings.complainMs) {
      this.#complainedAtMs = nowMs;
      this.#logger.warn({ ...(err === undefined ? {} : { err }), lost: this.#lost }, 'events for people could not be written');
      this.#lost = 0;
    }
  }
}

function objectKey(regarding: ObjectReference): string {
  return JSON.stringify([regarding.apiVersion, regarding.kind, regarding.namespace, regarding.name, regarding.uid]);
}

/** Forgets what was remembered longest ago. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > rememberedMax && oldest !== undefined) {
    map.delete(oldest);
  }
}

/** A Time of Kubernetes has whole seconds. */
function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function askedMs(error: CodedError): number {
  return KubeError.is(error, 'THROTTLED') ? Number(error.facts['retryAfterMs'] ?? 0) : 0;
}
