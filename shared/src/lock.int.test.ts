import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bus, connectBus } from './bus/connect.ts';
import { lockBucket } from './contracts/migrator.ts';
import { describeLock, lastBelief } from './lock.conformance.ts';
import { kvLock } from './lock-kv.ts';
import { quietLogger } from './testing/quiet-logger.ts';
import { startTestNats, type TestServer } from './testing/servers.ts';
import { waitUntil } from './testing/wait-until.ts';

const logger = quietLogger();
const soon = () => ({ signal: AbortSignal.timeout(20_000) });

let server: TestServer;
const buses: Bus[] = [];

async function anotherBus(): Promise<Bus> {
  const bus = await connectBus({ url: server.url, name: 'migrator', logger });
  buses.push(bus);
  return bus;
}

beforeAll(async () => {
  server = await startTestNats();
});
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  await server?.stop();
});

describeLock('JetStream', { leaseMs: 600 }, () => ({
  process: async (name) => {
    const bus = await anotherBus();
    return { lock: (lock, o) => kvLock(bus, lock, { holder: name, ...o }), die: () => bus.close() };
  },
  place: (lock, o) => ({ natsUrl: server.url, lock, ...o }),
}));

describe('a lock in JetStream', () => {
  it('is lost when nats-server hangs, and is taken again at once when that answers', async () => {
    const bus = await anotherBus();
    const lock = kvLock(bus, 'hung', { holder: 'holder', leaseMs: 600 });
    const hold = await lock.acquire(soon());
    server.signal('SIGSTOP');
    const hungMs = performance.now();
    await waitUntil(() => hold.lost.aborted);
    expect(performance.now() - hungMs).toBeLessThanOrEqual(700);
    expect(hold.surelyHeldFor(0)).toBe(false);
    server.signal('SIGCONT');
    await hold.release();
    const again = await lock.acquire(soon());
    expect(again.surelyHeldFor(0)).toBe(true);
    expect(hold.surelyHeldFor(0)).toBe(false);
    await again.release();
  });

  it('survives a restart of nats-server shorter than its lease', async () => {
    const bus = await anotherBus();
    const hold = await kvLock(bus, 'restarted', { holder: 'holder', leaseMs: 6_000 }).acquire(soon());
    const revisionOf = async () => (await bus.bucket(lockBucket).get('restarted'))?.revision ?? 0;
    const before = await revisionOf();
    await server.kill();
    await server.restart();
    await waitUntil(async () => (await revisionOf()) > before);
    expect(hold.surelyHeldFor(1_000)).toBe(true);
    await hold.release();
  });

  it('that a wiped nats-server has forgotten goes to nobody else before its holder has stopped believing in it', async () => {
    const [holder, heir] = [await anotherBus(), await anotherBus()];
    const hold = await kvLock(holder, 'forgotten', { holder: 'holder', leaseMs: 2_500 }).acquire(soon());
    const belief = lastBelief(hold);
    await server.wipe();
    await server.restart();
    const next = await kvLock(heir, 'forgotten', { holder: 'heir', leaseMs: 2_500 }).acquire(soon());
    const takenMs = performance.now();
    expect(hold.surelyHeldFor(0)).toBe(false);
    expect(belief.stop()).toBeLessThan(takenMs);
    expect(next.surelyHeldFor(0)).toBe(true);
    await hold.release();
    expect((await heir.bucket(lockBucket).get('forgotten'))?.value.holder).toMatch(/^heir /);
    await next.release();
  });
});
