/** The lock of a service, kept where its options say: as a record in NATS, or as a Lease in Kubernetes. */
import type { Registry } from 'prom-client';
import type { Bus } from './bus/connect.ts';
import { KubeApi } from './kubernetes/api.ts';
import { leaseLock } from './kubernetes/lease-lock.ts';
import type { Lock, LockOptions } from './lock.ts';
import { kvLock } from './lock-kv.ts';
import type { Logger } from './logger.ts';

/** Three renewals of a lease must each have their chance, also on a server that hangs. */
const requestTimeoutMsMax = 5_000;

export interface Coordination {
  readonly coordination: 'nats' | 'kubernetes';
  readonly kubeconfig: string | undefined;
  readonly podNamespace: string;
}

export interface OpenLock {
  readonly lock: Lock;
  /** Of what the lock is asked through. Nobody may hold it any more. */
  close(): Promise<void>;
}

/**
 * A lease in Kubernetes lasts for whole seconds: what is finer is rounded up.
 * @param o.name of the lock; its Lease is `couchestor-<name>`
 */
export function openLock(
  config: Coordination,
  o: LockOptions & {
    readonly name: string;
    readonly bus: Pick<Bus, 'bucket'>;
    readonly env: NodeJS.ProcessEnv;
    readonly logger: Logger;
    /** Where calls to the API server are counted. */
    readonly registry?: Registry;
  },
): OpenLock {
  const { name, bus, env, registry, ...options } = o;
  if (config.coordination === 'nats') {
    return { lock: kvLock(bus, name, options), close: async () => undefined };
  }
  const requestTimeoutMs = Math.floor(Math.min(requestTimeoutMsMax, options.leaseMs / 3));
  const api = KubeApi.load({
    kubeconfig: config.kubeconfig,
    env,
    requestTimeoutMs,
    logger: o.logger,
    ...(registry === undefined ? {} : { registry }),
  });
  const at = { namespace: config.podNamespace, name: `couchestor-${name}` };
  return { lock: leaseLock(api, at, { ...options, leaseMs: Math.ceil(options.leaseMs / 1_000) * 1_000 }), close: () => api.close() };
}
