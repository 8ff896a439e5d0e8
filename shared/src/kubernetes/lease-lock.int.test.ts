/** The lock's suite on a real API server, and what only a Lease can meet: objects that others change, and a server that hangs or is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeLock, lastBelief } from '../lock.conformance.ts';
import type { Lock } from '../lock.ts';
import { type KubeApiServer, startKubeApiServer } from '../testing/kube/api-server.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { KubeApi } from './api.ts';
import { leaseLock } from './lease-lock.ts';
import { type Lease, leases } from './objects.ts';

const namespace = 'default';
const leaseMs = 1_000;
const soon = () => ({ signal: AbortSignal.timeout(25_000) });

let server: KubeApiServer;
const apis: KubeApi[] = [];

function anotherApi(requestTimeoutMs = leaseMs / 2): KubeApi {
  const api = KubeApi.load({ kubeconfig: server.kubeconfig, requestTimeoutMs });
  apis.push(api);
  return api;
}

function lockOf(name: string, o: { holder: string; leaseMs?: number; api?: KubeApi }): Lock {
  return leaseLock(o.api ?? anotherApi(), { namespace, name }, { leaseMs, ...o });
}

const read = (name: string): Promise<Lease | undefined> => anotherApi(5_000).get(leases, { namespace, name });

beforeAll(async () => {
  server = await startKubeApiServer({ own: true });
});
afterAll(async () => {
  await Promise.all(apis.map((api) => api.close()));
  await server?.stop();
});

describeLock('Lease', { leaseMs }, () => ({
  process: async (holder) => {
    const api = anotherApi();
    return { lock: (name, o) => lockOf(name, { holder, api, ...o }), die: () => api.close() };
  },
  place: (lock, o) => ({ kubeconfig: server.kubeconfig, namespace, lock, requestTimeoutMs: 500, ...o }),
}));

describe('a lock in a Lease', () => {
  it('is a Lease as others know it, and one that is free again when it is released', async () => {
    const hold = await lockOf('shape', { holder: 'holder' }).acquire(soon());
    const held = await read('shape');
    expect(held?.spec).toMatchObject({ holderIdentity: expect.stringMatching(/^holder /), leaseDurationSeconds: 1, leaseTransitions: 0 });
    expect(held?.spec?.renewTime).toMatch(/T\d\d:\d\d:\d\d\.\d{6}Z$/);
    await hold.release();
    expect((await read('shape'))?.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
    const next = await lockOf('shape', { holder: 'next' }).acquire(soon());
    expect((await read('shape'))?.spec).toMatchObject({ holderIdentity: expect.stringMatching(/^next /), leaseTransitions: 1 });
    await next.release();
  });

  it('stays with its holder when somebody else changes the object', async () => {
    const hold = await lockOf('annotated', { holder: 'holder' }).acquire(soon());
    await anotherApi(5_000).mergePatch(
      leases,
      { namespace, name: 'annotated' },
      { metadata: { annotations: { note: 'of an administrator' } } },
    );
    const before = (await read('annotated'))?.spec?.renewTime;
    await waitUntil(async () => (await read('annotated'))?.spec?.renewTime !== before);
    expect(hold.surelyHeldFor(0)).toBe(true);
    expect((await read('annotated'))?.metadata['annotations']).toEqual({ note: 'of an administrator' });
    await hold.release();
  });

  it('is lost with an object that is deleted, and goes to nobody else before its holder has stopped believing in it', async () => {
    const hold = await lockOf('deleted', { holder: 'holder', leaseMs: 3_000 }).acquire(soon());
    const belief = lastBelief(hold);
    await anotherApi(5_000).remove(leases, { namespace, name: 'deleted' });
    const next = await lockOf('deleted', { holder: 'heir', leaseMs: 3_000 }).acquire(soon());
    const takenMs = performance.now();
    expect(belief.stop()).toBeLessThan(takenMs);
    expect(hold.lost.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(next.surelyHeldFor(0)).toBe(true);
    await next.release();
  });

  it('whose holder may have been forgotten is not given back early by one that gave up waiting for that', async () => {
    const impatient = lockOf('given-up-early', { holder: 'impatient', leaseMs: 3_000 });
    const beganMs = performance.now();
    await expect(impatient.acquire({ signal: AbortSignal.timeout(1_000) })).rejects.toMatchObject({ name: 'TimeoutError' });
    const next = await lockOf('given-up-early', { holder: 'patient', leaseMs: 3_000 }).acquire(soon());
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(3_000);
    await next.release();
  });

  it('that need not outlast a forgotten holder is had at once', async () => {
    const lock = leaseLock(
      anotherApi(5_000),
      { namespace, name: 'at-once' },
      { holder: 'a', leaseMs: 60_000, outlastForgottenHolder: false },
    );
    const hold = await lock.acquire(soon());
    expect(hold.surelyHeldFor(0)).toBe(true);
    await hold.release();
  });

  it('is lost while the API server hangs, and is taken again at once when that answers', async () => {
    const lock = lockOf('hung', { holder: 'holder' });
    const hold = await lock.acquire(soon());
    server.pause();
    try {
      await waitUntil(() => hold.lost.aborted);
      expect(hold.surelyHeldFor(0)).toBe(false);
      await hold.release();
    } finally {
      server.resume();
    }
    const again = await lock.acquire(soon());
    expect(again.surelyHeldFor(0)).toBe(true);
    await again.release();
  });

  it('survives a restart of the API server shorter than its lease', async () => {
    const at = { namespace, name: 'restarted' };
    const lock = leaseLock(anotherApi(1_000), at, { holder: 'holder', leaseMs: 30_000, outlastForgottenHolder: false });
    const hold = await lock.acquire(soon());
    const before = (await read('restarted'))?.spec?.renewTime;
    await server.kill();
    await server.start();
    await waitUntil(async () => (await read('restarted'))?.spec?.renewTime !== before, { timeoutMs: 30_000 });
    expect(hold.surelyHeldFor(1_000)).toBe(true);
    await hold.release();
  }, 120_000);

  it('in a namespace that is not there waits, and says why', async () => {
    const warned: unknown[] = [];
    const logger = { warn: (facts: unknown) => void warned.push(facts), info: () => undefined };
    const lock = leaseLock(anotherApi(5_000), { namespace: 'nowhere', name: 'lost' }, { holder: 'a', leaseMs, logger });
    await expect(lock.acquire({ signal: AbortSignal.timeout(1_500) })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(warned).toHaveLength(1);
    expect(JSON.stringify(warned)).toContain('nowhere');
  });

  it('lasts for whole seconds', () => {
    expect(() => lockOf('fraction', { holder: 'a', leaseMs: 600 })).toThrow(/whole seconds/);
  });
});
