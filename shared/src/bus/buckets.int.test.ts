import { connect, type NatsConnection, nanos } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineBucket } from '../contracts/define.ts';
import { cancelsBucket, journalBucket } from '../contracts/migrator.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { startTestNats, type TestServer } from '../testing/servers.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { type Bucket, type Bus, connectBus } from './connect.ts';

const logger = quietLogger();
const at = (second: number) => ({ requestedAt: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z` });

let server: TestServer;
let raw: NatsConnection;
let bus: Bus;
let bucket: Bucket<ReturnType<typeof at>>;

beforeAll(async () => {
  server = await startTestNats();
  raw = await connect({ servers: server.url });
  bus = await connectBus({ url: server.url, name: 'migrator', logger });
  bucket = bus.bucket(cancelsBucket);
});
afterAll(async () => {
  await bus?.close();
  await raw?.close();
  await server?.stop();
});

describe('a bucket', () => {
  it('creates a record once and tells who comes second', async () => {
    const first = await bucket.create('created', at(1));
    expect(first).toMatchObject({ key: 'created', value: at(1) });
    expect(await bucket.create('created', at(2))).toBeUndefined();
    expect(await bucket.get('created')).toEqual(first);
  });

  it('lets one of many creators win', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, second) => bucket.create('contended', at(second))));
    expect(results.filter((entry) => entry !== undefined)).toHaveLength(1);
  });

  it('changes a record only at the expected revision', async () => {
    const first = await bucket.create('cas', at(1));
    const second = await bucket.update('cas', at(2), first?.revision ?? 0);
    expect(second?.revision).toBeGreaterThan(first?.revision ?? 0);
    expect(await bucket.update('cas', at(3), first?.revision ?? 0)).toBeUndefined();
    expect(await bucket.get('cas')).toEqual(second);
  });

  it('lets one of many writers at the same revision win', async () => {
    const { revision } = (await bucket.create('race', at(1))) ?? { revision: 0 };
    const results = await Promise.all(Array.from({ length: 20 }, (_, second) => bucket.update('race', at(second), revision)));
    const winners = results.filter((entry) => entry !== undefined);
    expect(winners).toHaveLength(1);
    expect(await bucket.get('race')).toEqual(winners[0]);
  });

  it('deletes at the expected revision only, and a deleted key can be created again', async () => {
    const first = await bucket.create('deleted', at(1));
    expect(await bucket.delete('deleted', (first?.revision ?? 0) + 1)).toBe(false);
    expect(await bucket.get('deleted')).toEqual(first);
    expect(await bucket.delete('deleted', first?.revision)).toBe(true);
    expect(await bucket.get('deleted')).toBeUndefined();
    const again = await bucket.create('deleted', at(2));
    expect(again).toMatchObject({ value: at(2) });
    expect(await bucket.create('deleted', at(3))).toBeUndefined();
    expect(await bucket.delete('deleted')).toBe(true);
    expect(await bucket.delete('never-there')).toBe(true);
  });

  it('lists the current values and no others', async () => {
    const own = bus.bucket(journalBucket);
    expect(await own.entries()).toEqual([]);
    const wanted = new Map<string, ReturnType<typeof at>>();
    for (const key of Array.from({ length: 50 }, (_, index) => `listed-${index}`)) {
      const entry = await bucket.create(key, at(1));
      const updated = await bucket.update(key, at(2), entry?.revision ?? 0);
      wanted.set(key, updated?.value ?? at(0));
    }
    await bucket.delete('listed-7');
    wanted.delete('listed-7');
    const listed = (await bucket.entries()).filter(({ key }) => key.startsWith('listed-'));
    expect(new Map(listed.map(({ key, value }) => [key, value]))).toEqual(wanted);
  });

  it('tells a watcher the current values first and then every change', async () => {
    await bucket.create('watched-1', at(1));
    await bucket.create('watched-gone', at(1));
    await bucket.delete('watched-gone');
    const seen: string[] = [];
    const watcher = await bucket.watch(({ key, entry }) => {
      if (key.startsWith('watched-')) {
        seen.push(`${key} ${entry?.value.requestedAt ?? 'gone'}`);
      }
    });
    expect(seen).toEqual([`watched-1 ${at(1).requestedAt}`]);
    const second = await bucket.create('watched-2', at(2));
    await bucket.update('watched-2', at(3), second?.revision ?? 0);
    await bucket.delete('watched-1');
    await waitUntil(() => seen.length === 4);
    await watcher.stop();
    expect(seen.slice(1)).toEqual([`watched-2 ${at(2).requestedAt}`, `watched-2 ${at(3).requestedAt}`, 'watched-1 gone']);
  });

  it('resolves a watch of an empty bucket', async () => {
    const watcher = await bus.bucket(journalBucket).watch(() => undefined);
    await watcher.stop();
  });

  it('forgets records past their age, after which they can be created again; a new connection restores the age of the contract', async () => {
    const manager = await raw.jetstreamManager();
    const stream = `KV_${cancelsBucket.name}`;
    expect((await manager.streams.info(stream)).config.max_age).toBe(nanos(cancelsBucket.ttlMs ?? 0));
    await manager.streams.update(stream, { max_age: nanos(300), duplicate_window: nanos(300) });
    await bucket.create('brief', at(1));
    await waitUntil(async () => (await bucket.get('brief')) === undefined);
    expect(await bucket.create('brief', at(2))).toMatchObject({ value: at(2) });
    const other = await connectBus({ url: server.url, name: 'cli', logger });
    await other.close();
    expect((await manager.streams.info(stream)).config.max_age).toBe(nanos(cancelsBucket.ttlMs ?? 0));
  });

  it('refuses values that do not fit the contract, and keys that NATS would not take', async () => {
    await expect(bucket.create('bad', { requestedAt: 'yesterday' })).rejects.toMatchObject({
      code: 'BUS_INVALID_PAYLOAD',
      facts: { field: 'requestedAt' },
    });
    for (const key of ['', 'a b', '.a', 'a.', 'a..b', 'a.*', '>', 'ä']) {
      await expect(bucket.get(key)).rejects.toMatchObject({ code: 'BUS_INVALID_KEY' });
    }
  });

  it('names the key of a record that cannot be read', async () => {
    await raw.jetstream().publish(`$KV.${journalBucket.name}.odd`, '{"version":1,"value":{}}');
    const journal = bus.bucket(journalBucket);
    await expect(journal.get('odd')).rejects.toMatchObject({ code: 'BUS_INVALID_MESSAGE', facts: { key: 'odd' } });
    await expect(journal.entries()).rejects.toMatchObject({ facts: { key: 'odd' } });
    expect(await journal.delete('odd')).toBe(true);
  });

  it('lifts the values of an older version and refuses those of a newer one', async () => {
    const newer = bus.bucket(
      defineBucket({
        ...cancelsBucket,
        version: 2,
        upcast: { 1: (old) => ({ requestedAt: `${(old as { requestedAt: string }).requestedAt.slice(0, 10)}T12:00:00Z` }) },
      }),
    );
    await bucket.create('versioned', at(1));
    expect(await newer.get('versioned')).toMatchObject({ value: { requestedAt: '2026-01-01T12:00:00Z' } });
    await newer.create('from-the-future', at(1));
    await expect(bucket.get('from-the-future')).rejects.toMatchObject({ cause: { code: 'BUS_NEWER_VERSION' } });
    await bucket.delete('from-the-future');
  });
});

describe('a write whose answer is lost', () => {
  it('is found to have been stored, and is stored once', async () => {
    const first = await bucket.create('hung', at(1));
    server.signal('SIGSTOP');
    const writing = bucket.update('hung', at(2), first?.revision ?? 0);
    const waking = setTimeout(() => server.signal('SIGCONT'), 3_500);
    const second = await writing;
    clearTimeout(waking);
    expect(second?.value).toEqual(at(2));
    expect(await bucket.get('hung')).toMatchObject({ value: at(2), revision: second?.revision });
    const { state } = await (await raw.jetstreamManager()).streams.info(`KV_${cancelsBucket.name}`);
    expect(state.last_seq).toBe(second?.revision);
  });
});
