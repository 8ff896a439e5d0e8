import { connect, type NatsConnection } from 'nats';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrationAdvanced } from '../contracts/migration.ts';
import { volumeSampled } from '../contracts/volume-sampled.ts';
import { defineErrors } from '../errors.ts';
import { someAdvance, someSample } from '../testing/facts.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { startTestNats, type TestServer } from '../testing/servers.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { type Bus, connectBus, type Received } from './connect.ts';

const TestError = defineErrors('TEST', {
  PASSING: { retry: true, help: 'It may work later.' },
  LASTING: { retry: false, help: 'It will never work.' },
});
const logger = quietLogger();

let server: TestServer;
let raw: NatsConnection;
let bus: Bus;
let registry: Registry;

beforeAll(async () => {
  server = await startTestNats();
  raw = await connect({ servers: server.url });
});
afterAll(async () => {
  await raw?.close();
  await server?.stop();
});

/** Every test has empty streams and consumers of its own. */
beforeEach(async () => {
  const manager = await raw.jetstreamManager();
  for await (const stream of manager.streams.list()) {
    await manager.streams.delete(stream.config.name);
  }
  registry = new Registry();
  bus = await connectBus({ url: server.url, name: 'migrator', logger, registry });
  return () => bus.close();
});

type Advance = Received<ReturnType<typeof someAdvance>>;

describe('events', () => {
  it('reach the consumer with their id and the time of JetStream, once acknowledged never again', async () => {
    const seen: Advance[] = [];
    const handle = async (message: Advance): Promise<void> => void seen.push(message);
    const before = Date.now();
    await bus.publish(migrationAdvanced, someAdvance('one'), { id: 'id-one' });
    const first = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle, ackWaitMs: 500 });
    await waitUntil(() => seen.length === 1);
    await first.stop();
    const second = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle, ackWaitMs: 500 });
    await bus.publish(migrationAdvanced, someAdvance('two'));
    await waitUntil(() => seen.length === 2);
    await second.stop();
    expect(seen.map(({ payload, deliveries }) => [payload.message, deliveries])).toEqual([
      ['one', 1],
      ['two', 1],
    ]);
    expect(seen[0]).toMatchObject({ id: 'id-one', subject: 'couchestor.migration.advanced' });
    expect(Math.abs((seen[0]?.publishedAt.getTime() ?? 0) - before)).toBeLessThan(5_000);
  });

  it('published twice under one id are delivered once', async () => {
    const seen: string[] = [];
    const consumer = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle: async ({ id }) => void seen.push(id) });
    await bus.publish(migrationAdvanced, someAdvance('same'), { id: 'same' });
    await bus.publish(migrationAdvanced, someAdvance('same'), { id: 'same' });
    await bus.publish(migrationAdvanced, someAdvance('other'), { id: 'other' });
    await waitUntil(() => seen.includes('other'));
    await consumer.stop();
    expect(seen).toEqual(['same', 'other']);
  });

  it('are delivered to each service that consumes them', async () => {
    const seen: string[] = [];
    const brain = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle: async () => void seen.push('brain') });
    const cli = await bus.consume(migrationAdvanced, { service: 'cli', handle: async () => void seen.push('cli') });
    await bus.publish(migrationAdvanced, someAdvance('one'));
    await waitUntil(() => seen.length === 2);
    await Promise.all([brain.stop(), cli.stop()]);
    expect(seen.sort()).toEqual(['brain', 'cli']);
  });

  it('are shared among the processes of one service', async () => {
    const seen: string[] = [];
    const other = await connectBus({ url: server.url, name: 'policy-brain', logger });
    const one = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle: async ({ id }) => void seen.push(id) });
    const two = await other.consume(migrationAdvanced, { service: 'policy-brain', handle: async ({ id }) => void seen.push(id) });
    const ids = Array.from({ length: 40 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => bus.publish(migrationAdvanced, someAdvance(id), { id })));
    await waitUntil(() => seen.length >= 40);
    await Promise.all([one.stop(), two.stop()]);
    await other.close();
    expect(seen.sort()).toEqual(ids.sort());
  });

  it('are handed back and delivered again later when the handler fails with an error that may pass', async () => {
    const seen: number[] = [];
    const atMs: number[] = [];
    const consumer = await bus.consume(migrationAdvanced, {
      service: 'policy-brain',
      handle: async ({ deliveries }) => {
        seen.push(deliveries);
        atMs.push(performance.now());
        if (deliveries === 1) {
          throw new TestError('PASSING');
        }
      },
    });
    await bus.publish(migrationAdvanced, someAdvance('one'));
    await waitUntil(() => seen.length === 2);
    await consumer.stop();
    expect(seen).toEqual([1, 2]);
    expect((atMs[1] ?? 0) - (atMs[0] ?? 0)).toBeGreaterThan(700);
    expect(await bus.deadLetters.count()).toBe(0);
  });

  it('stay with a handler that takes longer than the time to acknowledge', async () => {
    const seen: number[] = [];
    let finish: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const consumer = await bus.consume(migrationAdvanced, {
      service: 'policy-brain',
      ackWaitMs: 300,
      maxInFlight: 2,
      handle: async ({ deliveries, payload }) => {
        seen.push(deliveries);
        await (payload.message === 'slow' ? slow : undefined);
      },
    });
    await bus.publish(migrationAdvanced, someAdvance('slow'));
    await waitUntil(() => seen.length === 1);
    const startedMs = performance.now();
    await waitUntil(() => performance.now() - startedMs > 1_000);
    finish();
    await consumer.stop();
    expect(seen).toEqual([1]);
  });

  it('handled by a process that was cut off come again to another one', async () => {
    const doomed = await connectBus({ url: server.url, name: 'policy-brain', logger });
    const started: number[] = [];
    await doomed.consume(migrationAdvanced, {
      service: 'policy-brain',
      ackWaitMs: 600,
      handle: () => {
        started.push(1);
        return new Promise(() => undefined);
      },
    });
    await bus.publish(migrationAdvanced, someAdvance('one'));
    await waitUntil(() => started.length === 1);
    await doomed.close();
    const seen: number[] = [];
    const heir = await bus.consume(migrationAdvanced, {
      service: 'policy-brain',
      ackWaitMs: 600,
      handle: async ({ deliveries }) => void seen.push(deliveries),
    });
    await waitUntil(() => seen.length === 1);
    await heir.stop();
    expect(seen).toEqual([2]);
  });

  it('of a stream that keeps one message for each subject are the newest only', async () => {
    for (const round of [1, 2, 3]) {
      await bus.publish(volumeSampled, someSample({ windowSeconds: 60, round, batch: 0 }));
      await bus.publish(volumeSampled, someSample({ windowSeconds: 60, round, batch: 1 }));
    }
    const seen: string[] = [];
    const consumer = await bus.consume(volumeSampled, {
      service: 'policy-brain',
      handle: async ({ payload }) => void seen.push(`${payload.round}/${payload.batch}`),
    });
    await waitUntil(() => seen.length === 2);
    await consumer.stop();
    expect(seen).toEqual(['3/0', '3/1']);
  });

  it('are seen by a watcher from its beginning on and leave nothing behind', async () => {
    await bus.publish(migrationAdvanced, someAdvance('before'));
    const seen: string[] = [];
    const watcher = await bus.watchEvent(migrationAdvanced, ({ payload }) => void seen.push(payload.message));
    await bus.publish(migrationAdvanced, someAdvance('after'));
    await waitUntil(() => seen.length === 1);
    await watcher.stop();
    expect(seen).toEqual(['after']);
    const manager = await raw.jetstreamManager();
    expect((await manager.streams.info('COUCHESTOR_MIGRATIONS')).state.consumer_count).toBe(0);
  });

  it('that do not fit their contract are refused before they are sent, naming the field', async () => {
    await expect(bus.publish(migrationAdvanced, { ...someAdvance('x'), replica: 0 })).rejects.toMatchObject({
      code: 'BUS_INVALID_PAYLOAD',
      facts: { field: 'replica' },
    });
  });

  it('larger than NATS takes are refused with their size', async () => {
    const samples = Array.from({ length: 20_000 }, () => someSample({ windowSeconds: 60, round: 1, batch: 0 }).samples[0]).filter(
      (sample) => sample !== undefined,
    );
    await expect(bus.publish(volumeSampled, { ...someSample({ windowSeconds: 60, round: 1, batch: 0 }), samples })).rejects.toMatchObject({
      code: 'BUS_TOO_LARGE',
      retry: false,
    });
  });

  it('are counted by type and result', async () => {
    const consumer = await bus.consume(migrationAdvanced, { service: 'policy-brain', handle: async () => undefined });
    await bus.publish(migrationAdvanced, someAdvance('one'));
    await waitUntil(async () =>
      (await registry.metrics()).includes('couchestor_bus_handled_total{type="migration.advanced",result="acked"} 1'),
    );
    await consumer.stop();
    const text = await registry.metrics();
    expect(text).toContain('couchestor_bus_published_total{type="migration.advanced"} 1');
    expect(text).toContain('couchestor_dead_letters 0');
    expect(text).toContain('couchestor_bus_connected 1');
  });
});

describe('the dead-letter stream', () => {
  const consumeFailing = (handle: (message: Advance) => Promise<void>) =>
    bus.consume(migrationAdvanced, { service: 'policy-brain', deliveriesMax: 2, handle });

  it('takes a message whose handler fails for good, and a replay has it handled', async () => {
    let broken = true;
    const seen: string[] = [];
    const consumer = await consumeFailing(async ({ id, payload }) => {
      seen.push(id);
      if (broken && payload.message === 'poison') {
        throw new TestError('LASTING', { why: 'because' });
      }
    });
    await bus.publish(migrationAdvanced, someAdvance('poison'), { id: 'the-poison' });
    await bus.publish(migrationAdvanced, someAdvance('good'), { id: 'the-good' });
    await waitUntil(() => seen.includes('the-good'), { what: 'the message behind the poisonous one' });
    await waitUntil(async () => (await bus.deadLetters.count()) === 1);
    const [letter] = await bus.deadLetters.list({ limit: 10 });
    expect(letter).toMatchObject({
      service: 'policy-brain',
      eventType: 'migration.advanced',
      subject: 'couchestor.migration.advanced',
      errorCode: 'TEST_LASTING',
      deliveries: 1,
    });
    expect(letter?.errorMessage).toContain('why=because');
    expect(JSON.parse(letter?.data ?? '')).toMatchObject({ id: 'the-poison', payload: { message: 'poison' } });
    expect(await registry.metrics()).toContain('couchestor_dead_letters 1');

    broken = false;
    await bus.deadLetters.replay(letter?.sequence ?? 0);
    await waitUntil(() => seen.filter((id) => id === 'the-poison').length === 2);
    await consumer.stop();
    expect(await bus.deadLetters.list({ limit: 10 })).toEqual([]);
  });

  it('takes a message that was tried too often with an error that may pass', async () => {
    const seen: number[] = [];
    const consumer = await consumeFailing(async ({ deliveries }) => {
      seen.push(deliveries);
      throw new Error('something unknown');
    });
    await bus.publish(migrationAdvanced, someAdvance('one'));
    await waitUntil(async () => (await bus.deadLetters.count()) === 1);
    await consumer.stop();
    expect(seen).toEqual([1, 2]);
    expect(await bus.deadLetters.list({ limit: 1 })).toMatchObject([
      { errorCode: 'UNKNOWN', errorMessage: 'something unknown', deliveries: 2 },
    ]);
  });

  it('takes what cannot be read, and what is of a newer version, without asking the handler', async () => {
    const seen: string[] = [];
    const consumer = await consumeFailing(async ({ id }) => void seen.push(id));
    const jetstream = raw.jetstream();
    await jetstream.publish('couchestor.migration.advanced', 'not { json');
    await jetstream.publish(
      'couchestor.migration.advanced',
      JSON.stringify({ id: 'x', type: 'migration.advanced', version: 99, producer: 'migrator', at: '', payload: {} }),
    );
    const binary = new Uint8Array([0xff, 0xfe, 0x00]);
    await jetstream.publish('couchestor.migration.advanced', binary);
    await waitUntil(async () => (await bus.deadLetters.count()) === 3);
    const letters = await bus.deadLetters.list({ limit: 10 });
    expect(letters.map(({ errorCode }) => errorCode)).toEqual(['BUS_INVALID_MESSAGE', 'BUS_NEWER_VERSION', 'BUS_INVALID_MESSAGE']);
    expect((await bus.deadLetters.list({ limit: 2 })).length).toBe(2);
    await bus.deadLetters.replay(letters[2]?.sequence ?? 0);
    await waitUntil(async () => (await bus.deadLetters.list({ limit: 10 })).some(({ sequence }) => sequence > 3), {
      what: 'the replayed one',
    });
    await consumer.stop();
    expect(seen).toEqual([]);
    const manager = await raw.jetstreamManager();
    const replayed = await manager.streams.getMessage('COUCHESTOR_DEAD_LETTERS', { last_by_subj: 'couchestor.dead-letter.>' });
    expect([...replayed.data]).toEqual([...binary]);
  });

  it('says so where a dead letter does not exist', async () => {
    await expect(bus.deadLetters.replay(4711)).rejects.toMatchObject({ code: 'BUS_NO_DEAD_LETTER' });
  });
});
