/**
 * The one client of the Kubernetes API server.
 *
 * Every call has a deadline, every answer a limit of size and a schema. Nothing is retried here but a 401 with renewed credentials and a
 * list whose continue token has expired: only the caller knows whether trying again is safe. Errors are `KubeError`.
 */
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { type Call, checkShape, describeIssues, isMissingObject, readJson, transportError } from './answer.ts';
import { KubeError } from './errors.ts';
import { findKubeTarget, type KubeTarget } from './kubeconfig.ts';
import { kubernetesMetrics } from './metrics.ts';
import { apiVersionOf, collectionPath, type ObjectName, objectPath, type Resource } from './resource.ts';
import { type KubeRequest, KubeTransport, type OnRequest } from './transport.ts';
import { linesOf, readWatchEvent, type WatchEvent } from './watch-stream.ts';

export interface InvalidObject extends ObjectName {
  readonly message: string;
}

export interface Listed<T> {
  readonly items: T[];
  readonly resourceVersion: string;
  /** Those that the schema refuses. */
  readonly invalid: InvalidObject[];
}

export interface KubeVersion {
  readonly gitVersion: string;
  readonly major: number;
  readonly minor: number;
}

const requestTimeoutMsDefault = 15_000;
const objectsPerPage = 500;
// 500,000 objects: far above any cluster, and the end of a server that pages for ever.
const pagesMax = 1_000;
// Continue tokens live for five minutes; a list that outlives so many of them is not going to succeed.
const listStartsMax = 5;

const pageSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().min(1), continue: z.string().optional() }),
  // Null where a list of Go's is empty.
  items: z.array(z.unknown()).nullable(),
});
const identitySchema = z.looseObject({ metadata: z.looseObject({ name: z.string().min(1), namespace: z.string().optional() }) });
const reviewSchema = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });
const versionSchema = z.looseObject({ gitVersion: z.string(), major: z.string(), minor: z.string() });

export class KubeApi {
  /** URL of the API server. */
  readonly server: string;
  readonly #transport: KubeTransport;

  private constructor(o: { target: KubeTarget; requestTimeoutMs: number; logger: Logger | undefined; onRequest: OnRequest }) {
    this.server = o.target.server;
    this.#transport = new KubeTransport(o);
  }

  /**
   * Talks to nobody yet. Throws KubeError CONFIG, naming what was looked for.
   *
   * @param o.kubeconfig a path; absent: KUBECONFIG, then the pod's ServiceAccount, then ~/.kube/config
   */
  static load(o: {
    kubeconfig?: string | undefined;
    env?: NodeJS.ProcessEnv;
    requestTimeoutMs?: number;
    logger?: Logger;
    registry?: Registry;
  }): KubeApi {
    const requests = o.registry === undefined ? undefined : kubernetesMetrics(o.registry).requests;
    return new KubeApi({
      target: findKubeTarget({ kubeconfig: o.kubeconfig, env: o.env ?? {} }),
      requestTimeoutMs: o.requestTimeoutMs ?? requestTimeoutMsDefault,
      logger: o.logger,
      onRequest: (seen) => requests?.inc(seen),
    });
  }

  /** Undefined where the API server says that there is no such object; a kind that it does not know is NOT_FOUND. */
  async get<T>(resource: Resource<T>, at: ObjectName): Promise<T | undefined> {
    try {
      return await this.#object({ method: 'GET', path: objectPath(resource, at) }, resource);
    } catch (error) {
      if (isMissingObject(error)) {
        return undefined;
      }
      throw error;
    }
  }

  /** All pages, as they were at one moment. An expired continue token starts the list again. */
  async list<T>(
    resource: Resource<T>,
    o: { namespace?: string | undefined; limit?: number; signal?: AbortSignal } = {},
  ): Promise<Listed<T>> {
    const call = { method: 'GET', path: collectionPath(resource, o.namespace) } as const;
    for (let start = 1; ; start += 1) {
      try {
        return await this.#listOnce(call, resource, { limit: o.limit ?? objectsPerPage, signal: o.signal });
      } catch (error) {
        if (!KubeError.is(error, 'GONE') || start === listStartsMax) {
          throw error;
        }
      }
    }
  }

  /**
   * What changes from `resourceVersion` on. Ends quietly when the API server ends it, which is soon after `timeoutSeconds`; throws GONE
   * where the version is too old, TIMED_OUT after `inactivityMs` without a byte, and the signal's reason.
   *
   * @param o.onOpen called once the API server has accepted the watch, which may be long before the first event
   */
  async *watch<T>(
    resource: Resource<T>,
    o: {
      resourceVersion: string;
      namespace?: string | undefined;
      inactivityMs: number;
      timeoutSeconds: number;
      signal: AbortSignal;
      onOpen?: () => void;
    },
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const call = { method: 'GET', path: collectionPath(resource, o.namespace) } as const;
    const query = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: o.resourceVersion,
      timeoutSeconds: String(o.timeoutSeconds),
    };
    const ours = new AbortController();
    const end = (): void => ours.abort(o.signal.reason);
    o.signal.addEventListener('abort', end, { once: true });
    try {
      o.signal.throwIfAborted();
      const body = await this.#transport.stream({ ...call, query }, ours);
      o.onOpen?.();
      const onSilence = (): void =>
        ours.abort(new KubeError('TIMED_OUT', { ...call, problem: 'the watch is silent', silentMs: o.inactivityMs }));
      for await (const line of linesOf(call, body, { inactivityMs: o.inactivityMs, onSilence })) {
        yield readWatchEvent(call, resource, line);
      }
    } catch (error) {
      throw o.signal.aborted ? o.signal.reason : transportError(call, error);
    } finally {
      o.signal.removeEventListener('abort', end);
    }
  }

  /** The namespace is that of the body's metadata, or the one given. Kind and apiVersion are filled in. */
  async create<T>(resource: Resource<T>, body: object, o: { namespace?: string | undefined } = {}): Promise<T> {
    const { namespace } = identitySchema.safeParse(body).data?.metadata ?? {};
    const path = collectionPath(resource, resource.namespaced ? (o.namespace ?? namespace) : undefined);
    return await this.#object({ method: 'POST', path, body: { ...typeOf(resource), ...body } }, resource);
  }

  /** CONFLICT where the object is no longer of the body's metadata.resourceVersion. The whole object: what it lacks is removed. */
  async replace<T extends object>(resource: Resource<T>, body: T): Promise<T> {
    const { metadata } = identitySchema.parse(body);
    return await this.#object({ method: 'PUT', path: objectPath(resource, metadata), body: { ...typeOf(resource), ...body } }, resource);
  }

  /** CONFLICT only where the body names a metadata.resourceVersion, and the object is of another one. */
  async mergePatch<T>(resource: Resource<T>, at: ObjectName & { subresource?: 'status' }, body: object): Promise<T> {
    const path = objectPath(resource, at, at.subresource);
    return await this.#object({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' }, resource);
  }

  /** False where there was no such object. */
  async remove(resource: Resource<unknown>, at: ObjectName): Promise<boolean> {
    try {
      await this.raw({ method: 'DELETE', path: objectPath(resource, at) });
      return true;
    } catch (error) {
      if (isMissingObject(error)) {
        return false;
      }
      throw error;
    }
  }

  /** Whether our account may do this, as the API server itself judges. */
  async mayI(o: {
    verb: string;
    group: string;
    resource: string;
    subresource?: string | undefined;
    namespace?: string | undefined;
  }): Promise<boolean> {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: o } };
    const call = { method: 'POST', path } as const;
    return checkShape(call, reviewSchema, await this.raw({ ...call, body: review })).status.allowed;
  }

  async version(): Promise<KubeVersion> {
    const call = { method: 'GET', path: '/version' } as const;
    const { gitVersion, major, minor } = checkShape(call, versionSchema, await this.raw(call));
    // Some providers write a plus after the number.
    return { gitVersion, major: Number.parseInt(major, 10), minor: Number.parseInt(minor, 10) };
  }

  /** Any other call: the JSON of a 2xx answer, not validated. */
  async raw(call: KubeRequest, signal?: AbortSignal): Promise<unknown> {
    return readJson(call, await this.#transport.exchange(call, signal));
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #object<T>(call: KubeRequest, resource: Resource<T>): Promise<T> {
    return checkShape(call, resource.schema, await this.raw(call));
  }

  async #listOnce<T>(call: Call, resource: Resource<T>, o: { limit: number; signal: AbortSignal | undefined }): Promise<Listed<T>> {
    const items: T[] = [];
    const invalid: InvalidObject[] = [];
    let token = '';
    for (let page = 0; page < pagesMax; page += 1) {
      const query: Record<string, string> = { limit: String(o.limit), ...(token === '' ? {} : { continue: token }) };
      const { metadata, items: entries } = checkShape(call, pageSchema, await this.raw({ ...call, query }, o.signal));
      for (const entry of entries ?? []) {
        const checked = resource.schema.safeParse(entry);
        if (checked.success) {
          items.push(checked.data);
        } else {
          const { name, namespace } = checkShape(call, identitySchema, entry).metadata;
          invalid.push({ name, namespace, message: describeIssues(checked.error) });
        }
      }
      const next = metadata.continue ?? '';
      if (next === '') {
        return { items, resourceVersion: metadata.resourceVersion, invalid };
      }
      if (next === token) {
        throw new KubeError('INVALID_ANSWER', { ...call, problem: 'the continue token stands still' });
      }
      token = next;
    }
    throw new KubeError('INVALID_ANSWER', { ...call, problem: `no last page after ${pagesMax}` });
  }
}

function typeOf(resource: Resource<unknown>): { apiVersion: string; kind: string } {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}
