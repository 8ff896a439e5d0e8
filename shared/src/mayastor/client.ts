/**
 * The one client of Mayastor's REST API.
 *
 * Every call has a deadline, every answer is validated, and nothing is retried here: only the caller knows whether trying again is safe.
 * Errors are `MayastorError`.
 */
import { z } from 'zod';
import { type Answer, type Call, readAnswer } from './answer.ts';
import { MayastorError } from './errors.ts';
import { HttpExchange, type HttpExchangeInput } from './http-exchange.ts';
import {
  type Node,
  nodeSchema,
  type Pool,
  type PoolCordonFlags,
  poolSchema,
  type Volume,
  volumeSchema,
  volumesPageSchema,
} from './schema.ts';

// A volume is about 2 KiB of JSON: a page is about 1 MiB.
const volumesPerPage = 500;
// 500,000 volumes: far above any cluster, and the end of a server that pages for ever.
const volumePagesMax = 1_000;
// Kubernetes could hold no pool of this name: it has an upper-case letter.
const impossiblePool = 'couchestor-Probe-no-such-pool';

/** Sends one call; the path lacks the prefix `/v0`. */
export type Exchange = (call: Call, body: unknown) => Promise<Answer>;

export class MayastorClient {
  readonly #http: HttpExchange;
  readonly #exchange: Exchange;

  /** @param o.exchange instead of HTTP: how a call is answered, or transportError's error thrown */
  constructor(o: HttpExchangeInput & { readonly exchange?: Exchange }) {
    this.#http = new HttpExchange(o);
    this.#exchange = o.exchange ?? ((call, body) => this.#http.send(call, body));
  }

  /**
   * All volumes. Read in pages, not in one transaction: one that is made or deleted meanwhile may be missing, none comes twice.
   */
  async listVolumes(): Promise<Volume[]> {
    const volumes = new Map<string, Volume>();
    let token: number | undefined;
    for (let page = 0; page < volumePagesMax; page += 1) {
      const path = `/volumes?max_entries=${volumesPerPage}${token === undefined ? '' : `&starting_token=${token}`}`;
      const { entries, next_token: nextToken } = await this.#call({ method: 'GET', path }, volumesPageSchema);
      for (const volume of entries) {
        volumes.set(volume.spec.uuid, volume);
      }
      if (nextToken === undefined || nextToken === null) {
        return [...volumes.values()];
      }
      if (nextToken <= (token ?? 0)) {
        throw new MayastorError('INVALID_ANSWER', {
          method: 'GET',
          path,
          field: 'next_token',
          problem: `does not rise (${token ?? 0} to ${nextToken})`,
        });
      }
      token = nextToken;
    }
    throw new MayastorError('INVALID_ANSWER', {
      method: 'GET',
      path: '/volumes',
      field: 'next_token',
      problem: `no last page after ${volumePagesMax}`,
    });
  }

  /** Undefined where Mayastor itself says that there is no such volume; an answer from anything else is an error. */
  async getVolume(id: string): Promise<Volume | undefined> {
    return await this.#find(`/volumes/${segment(id)}`, volumeSchema);
  }

  async listPools(): Promise<Pool[]> {
    return await this.#call({ method: 'GET', path: '/pools' }, z.array(poolSchema));
  }

  async getPool(id: string): Promise<Pool | undefined> {
    return await this.#find(`/pools/${segment(id)}`, poolSchema);
  }

  async listNodes(): Promise<Node[]> {
    return await this.#call({ method: 'GET', path: '/nodes' }, z.array(nodeSchema));
  }

  /** Returns as soon as the replica is attached or removed, not when it is rebuilt. One step up or down per call. */
  async setReplicaCount(volumeId: string, count: number): Promise<Volume> {
    return await this.#call({ method: 'PUT', path: `/volumes/${segment(volumeId)}/replica_count/${count}` }, volumeSchema);
  }

  async cordonPool(poolId: string, flags: PoolCordonFlags): Promise<void> {
    await this.#change({ method: 'PUT', path: `/pools/${segment(poolId)}/cordon` }, poolSchema, flags);
  }

  /** Removes only the flags that are true. */
  async uncordonPool(poolId: string, flags: PoolCordonFlags): Promise<void> {
    await this.#change({ method: 'DELETE', path: `/pools/${segment(poolId)}/cordon` }, poolSchema, flags);
  }

  async cordonNode(nodeId: string, label: string): Promise<void> {
    await this.#change({ method: 'PUT', path: `/nodes/${segment(nodeId)}/cordon/${segment(label)}` }, nodeSchema);
  }

  async uncordonNode(nodeId: string, label: string): Promise<void> {
    await this.#change({ method: 'DELETE', path: `/nodes/${segment(nodeId)}/cordon/${segment(label)}` }, nodeSchema);
  }

  /** The same key and value again is ALREADY_EXISTS; another value without `overwrite` is PRECONDITION. */
  async labelPool(poolId: string, o: { key: string; value: string; overwrite: boolean }): Promise<void> {
    const path = `/pools/${segment(poolId)}/label/${segment(o.key)}=${segment(o.value)}?overwrite=${o.overwrite}`;
    await this.#change({ method: 'PUT', path }, poolSchema);
  }

  /** A label that is not there is PRECONDITION. */
  async unlabelPool(poolId: string, key: string): Promise<void> {
    await this.#change({ method: 'DELETE', path: `/pools/${segment(poolId)}/label/${segment(key)}` }, poolSchema);
  }

  /** Asks for what cannot be: an answer from the control plane means that the route exists, one from the web server that it does not. */
  async probeCapabilities(): Promise<{ poolCordon: boolean }> {
    try {
      await this.cordonPool(impossiblePool, { replicas: true, snapshots: false, restores: false, import: false });
    } catch (error) {
      if (MayastorError.is(error, 'NOT_FOUND')) {
        return { poolCordon: true };
      }
      if (MayastorError.is(error, 'NO_ROUTE')) {
        return { poolCordon: false };
      }
      throw error;
    }
    throw new MayastorError('INVALID_ANSWER', {
      method: 'PUT',
      path: `/pools/${impossiblePool}/cordon`,
      problem: 'a pool that cannot exist was cordoned',
    });
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #find<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return await this.#call({ method: 'GET', path }, schema);
    } catch (error) {
      if (MayastorError.is(error, 'NOT_FOUND')) {
        return undefined;
      }
      throw error;
    }
  }

  async #change(call: Call, schema: z.ZodType<unknown>, body?: unknown): Promise<void> {
    const answer = await this.#exchange(call, body);
    // Some versions answer a removal with the object, others with nothing.
    if (answer.status !== 204) {
      readAnswer(call, answer, schema);
    }
  }

  async #call<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
    return readAnswer(call, await this.#exchange(call, undefined), schema);
  }
}

/** One path segment. Label keys and values keep their `=` between them; everything else is escaped. */
function segment(text: string): string {
  return encodeURIComponent(text);
}
