/** A store of locks that came back empty counts its revisions from the beginning: a holder from before the loss may know a number that is another's. */
import { lockBucket } from '@couchestor/shared/contracts/migrator';
import { kvLock } from '@couchestor/shared/lock-kv';
import { expect, it } from 'vitest';
import { MemoryBroker } from './memory-broker.ts';
import { VirtualTime } from './virtual-time.ts';

const leaseMs = 6_000;

it('a renewal never writes over the record of whoever took the lock since', async () => {
  const time = new VirtualTime();
  const broker = new MemoryBroker(time.wall);
  const bus = broker.bus(async () => undefined);
  const acquire = (holder: string) =>
    kvLock(bus, 'gate', { holder, leaseMs, timers: time, outlastForgottenHolder: false }).acquire({ signal: AbortSignal.timeout(60_000) });
  const recordOf = async () => (await bus.bucket(lockBucket).get('gate'))?.value.holder;

  const former = await time.run(acquire('former'), 1_000);
  broker.wipe();
  const later = await time.run(acquire('later'), 2_000);
  const laterRecord = await recordOf();
  expect(laterRecord).toMatch(/^later /);

  // Both renew, the former first.
  await time.run(time.sleep(leaseMs * 0.9), 60_000);
  expect(await recordOf()).toBe(laterRecord);
  expect(former.lost.aborted).toBe(true);
  expect(later.surelyHeldFor(leaseMs / 2)).toBe(true);
  await Promise.all([former.release(), later.release()]);
});
