/**
 * A lock in a Lease of Kubernetes: the same lock as in NATS, kept in another store.
 *
 * A Lease carries times by its holder's clock, for people. Nobody here reads them: who waits measures by its own monotonic clock how long
 * the resourceVersion has stood still. A free lock has an empty holder and a duration of one second, as client-go leaves it.
 */
import { type Lock, LockError, type LockOptions, type LockRecord, type LockStore, lockIn, type StoredLock } from '../lock.ts';
import type { KubeApi } from './api.ts';
import { KubeError } from './errors.ts';
import { type Lease, leases, microTimeOf } from './objects.ts';

interface StoredInLease extends StoredLock {
  readonly lease: Lease;
  /** True where there was no Lease before, or none any more. */
  readonly isNew: boolean;
}

/** A waiting process asks the API server as often as this for as long as it lives. */
const pollMaxMs = 750;
const releasedSeconds = 1;

/** @param o.leaseMs whole seconds: the Lease has no finer unit */
export function leaseLock(
  api: Pick<KubeApi, 'get' | 'create' | 'replace'>,
  at: { readonly namespace: string; readonly name: string },
  o: LockOptions,
): Lock {
  if (o.leaseMs % 1_000 !== 0 || o.leaseMs <= 0) {
    throw new TypeError(`a Lease lasts for whole seconds, and not for ${o.leaseMs} ms`);
  }
  let stampMs = 0;
  /** Never the same twice: the API server stores a replacement that changes nothing as nothing, and the Lease would seem to stand still. */
  const stamp = (): string => {
    stampMs = Math.max(Date.now(), stampMs + 1);
    return microTimeOf(stampMs);
  };
  const specOf = (record: LockRecord, before: Lease['spec']): NonNullable<Lease['spec']> => {
    const now = stamp();
    if (record.released) {
      return { ...before, holderIdentity: '', leaseDurationSeconds: releasedSeconds, renewTime: now };
    }
    const mine = before?.holderIdentity === record.holder;
    return {
      ...before,
      holderIdentity: record.holder,
      leaseDurationSeconds: record.leaseMs / 1_000,
      acquireTime: mine ? before.acquireTime : now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (mine || before === undefined ? 0 : 1),
    };
  };
  const stored = (lease: Lease, isNew: boolean): StoredInLease => {
    const holder = lease.spec?.holderIdentity ?? '';
    const leaseMs = (lease.spec?.leaseDurationSeconds ?? o.leaseMs / 1_000) * 1_000;
    return { lease, isNew, revision: lease.metadata.resourceVersion, holder, leaseMs, released: holder === '' };
  };
  const calling = <T>(movedOn: readonly MovedOn[], call: () => Promise<T>): Promise<T | undefined> => callStore(at, { movedOn, call });
  const store: LockStore<StoredInLease> = {
    read: () =>
      calling([], async () => {
        const lease = await api.get(leases, at);
        return lease === undefined ? undefined : stored(lease, false);
      }),
    create: (record) =>
      calling(['ALREADY_EXISTS'], async () => {
        const lease = { metadata: { name: at.name, namespace: at.namespace }, spec: specOf(record, undefined) };
        return stored(await api.create(leases, lease), true);
      }),
    update: (record, before) =>
      calling(['CONFLICT', 'NOT_FOUND'], async () => {
        const lease = { ...before.lease, spec: specOf(record, before.lease.spec) };
        return stored(await api.replace(leases, lease), false);
      }),
    // A Lease that was not there was never there, or was deleted while somebody believed in it: nobody can tell.
    memoryMs: async ({ isNew }) => (isNew ? 0 : Number.POSITIVE_INFINITY),
  };
  return lockIn(store, { ...o, pollMaxMs });
}

/** Answers that say: it is not as you have read it. */
type MovedOn = 'CONFLICT' | 'ALREADY_EXISTS' | 'NOT_FOUND';

/** Undefined where the Lease has moved on. Whatever else the API server answers may pass; meanwhile the lease runs out. */
async function callStore<T>(
  at: { readonly namespace: string; readonly name: string },
  o: { movedOn: readonly MovedOn[]; call: () => Promise<T> },
): Promise<T | undefined> {
  try {
    return await o.call();
  } catch (error) {
    if (o.movedOn.some((code) => KubeError.is(error, code))) {
      return undefined;
    }
    if (KubeError.is(error)) {
      throw new LockError('UNAVAILABLE', { lease: `${at.namespace}/${at.name}` }, { cause: error });
    }
    throw error;
  }
}
