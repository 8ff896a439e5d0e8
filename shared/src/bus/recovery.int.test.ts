import { connect } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrationAdvanced } from '../contracts/migration.ts';
import { cancelsBucket } from '../contracts/migrator.ts';
import { someAdvance } from '../testing/facts.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { startTestNats, type TestServer } from '../testing/servers.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { type Bus, connectBus } from './connect.ts';

const logger = quietLogger();
const value = { requestedAt: '2026-01-01T00:00:00Z' };

let server: TestServer;
let bus: Bus;

beforeEach(async () => {
  server = await startTestNats();
  bus = await connectBus({ url: server.url, name: 'migrator', logger });
});
afterEach(async () => {
  await bus?.close();
  await server?.stop();
});

async function consumeInto(seen: Set<string>) {
  return bus.consume(migrationAdvanced, {
    service: 'policy-brain',
    ackWaitMs: 2_000,
    handle: async ({ payload }) => void seen.add(payload.message),
  });
}

describe('the bus', () => {
  it('loses no message when nats-server is killed while messages are published and consumed', async () => {
    const seen = new Set<string>();
    const consumer = await consumeInto(seen);
    const wanted = Array.from({ length: 300 }, (_, index) => `message ${index}`);
    const publishing = (async () => {
      for (const message of wanted) {
        await bus.publish(migrationAdvanced, someAdvance(message));
      }
    })();
    await waitUntil(() => seen.size >= 60);
    await server.kill();
    await server.restart();
    await publishing;
    await waitUntil(() => seen.size === wanted.length, { timeoutMs: 20_000, what: 'all messages' });
    await consumer.stop();
    expect(wanted.filter((message) => !seen.has(message))).toEqual([]);
  });

  it('goes on with a nats-server that has lost all its data', async () => {
    const seen = new Set<string>();
    const watched: string[] = [];
    const shown: string[] = [];
    const bucket = bus.bucket(cancelsBucket);
    await bucket.create('lost', value);
    const consumer = await consumeInto(seen);
    const watch = await bucket.watch(({ key, entry }) => void watched.push(`${key} ${entry === undefined ? 'gone' : 'there'}`));
    const view = await bus.watchEvent(migrationAdvanced, ({ payload }) => void shown.push(payload.message));
    await bus.publish(migrationAdvanced, someAdvance('before'));
    await waitUntil(() => seen.has('before') && shown.includes('before'));

    await server.wipe();
    await server.restart();
    await bus.publish(migrationAdvanced, someAdvance('after'));
    expect(await bucket.get('lost')).toBeUndefined();
    expect(await bucket.create('found', value)).toMatchObject({ key: 'found', revision: 1 });
    await waitUntil(() => seen.has('after'), { what: 'the consumer' });
    await waitUntil(() => shown.includes('after'), { what: 'the watcher of events' });
    await waitUntil(() => watched.includes('lost gone') && watched.includes('found there'), { what: 'the watcher of the bucket' });
    await Promise.all([consumer.stop(), watch.stop(), view.stop()]);
    expect(shown).toEqual(['before', 'after']);
  });

  it('makes its streams and consumers again when somebody deletes them under it', async () => {
    const seen = new Set<string>();
    const consumer = await consumeInto(seen);
    const raw = await connect({ servers: server.url });
    const manager = await raw.jetstreamManager();
    await manager.consumers.delete('COUCHESTOR_MIGRATIONS', 'policy-brain--migration-advanced');
    await bus.publish(migrationAdvanced, someAdvance('after the consumer'));
    await waitUntil(() => seen.has('after the consumer'));
    await manager.streams.delete('COUCHESTOR_MIGRATIONS');
    await bus.publish(migrationAdvanced, someAdvance('after the stream'));
    // That the stream is gone is told by the silence of its pulls, which takes a while.
    await waitUntil(() => seen.has('after the stream'), { timeoutMs: 40_000 });
    await raw.close();
    await consumer.stop();
  }, 60_000);

  it('connects once nats-server is there', async () => {
    await server.kill();
    const connecting = connectBus({ url: server.url, name: 'cli', logger });
    await server.restart();
    const late = await connecting;
    await late.ping();
    await late.close();
  });

  it('gives up connecting when told to', async () => {
    await server.kill();
    await expect(connectBus({ url: server.url, name: 'cli', logger, signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      code: 'BUS_UNREACHABLE',
    });
  });

  it('can be closed while nats-server is away, and tells those who use it afterwards', async () => {
    const consumer = await consumeInto(new Set());
    await server.kill();
    await bus.close();
    await consumer.stop();
    await expect(bus.publish(migrationAdvanced, someAdvance('too late'))).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    await expect(bus.bucket(cancelsBucket).get('x')).rejects.toMatchObject({ code: 'BUS_CLOSED' });
  });

  it('can be closed while nats-server hangs', async () => {
    const consumer = await consumeInto(new Set());
    server.signal('SIGSTOP');
    await bus.close();
    server.signal('SIGCONT');
    await consumer.stop();
  });
});
