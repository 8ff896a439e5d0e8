/** What a vault tells, over a real NATS. */
import { connectBus } from '@couchestor/shared/bus/connect';
import { driveFailed, vaultsBucket } from '@couchestor/shared/contracts/vault-events';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakeVault } from '../vault/fake-vault.fixture.ts';
import { startTelling } from './tell-loop.ts';

const logger = quietLogger();
let nats: TestServer;

beforeAll(async () => {
  nats = await startTestNats();
});

afterAll(async () => {
  await nats.stop();
});

it('reaches who watches: the record, a failed drive, and the record as it is then', async () => {
  const vault = new FakeVault();
  const bus = await connectBus({ url: nats.url, name: 'ec-encoder', logger });
  const watcher = await connectBus({ url: nats.url, name: 'cli', logger });
  const failed: unknown[] = [];
  await watcher.watchEvent(driveFailed, ({ payload }) => failed.push(payload));
  const telling = startTelling({
    vault,
    bus: Promise.resolve(bus),
    now: Date.now,
    logger,
    timings: { newsMs: 20, countsMs: 10_000, heartbeatMs: 60_000 },
  });
  try {
    const phase = async () => (await watcher.bucket(vaultsBucket).get('v-1'))?.value.phase;
    await waitUntil(async () => (await phase()) === 'ready');
    vault.overrides = { phase: 'degraded' };
    await vault.drives.fail(2);
    await waitUntil(async () => failed.length === 1 && (await phase()) === 'degraded');
    expect(failed).toEqual([{ vaultId: 'v-1', policy: 'gold', drive: 2, path: '/drives/2', reason: 'told to fail' }]);
  } finally {
    await telling.stop();
    await bus.close();
    await watcher.close();
  }
});
