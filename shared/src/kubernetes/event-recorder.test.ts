import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../logger.ts';
import { KubeError } from './errors.ts';
import { type EventInput, EventRecorder } from './event-recorder.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

const afterMs = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

interface Written {
  readonly verb: 'create' | 'patch';
  readonly name: string;
  readonly body: Record<string, unknown>;
}

function record(): { recorder: EventRecorder; written: Written[]; failures: Error[]; lines: string[]; registry: Registry } {
  const written: Written[] = [];
  const failures: Error[] = [];
  const lines: string[] = [];
  const registry = new Registry();
  const write = async (entry: Written): Promise<never> => {
    const failure = failures.shift();
    if (failure !== undefined) {
      throw failure;
    }
    written.push(entry);
    // Nothing reads what came back.
    return undefined as never;
  };
  const recorder = new EventRecorder({
    api: {
      create: (_, body) =>
        write({ verb: 'create', name: (body as { metadata: { name: string } }).metadata.name, body: body as Record<string, unknown> }),
      mergePatch: (_, at, body) => write({ verb: 'patch', name: at.name, body: body as Record<string, unknown> }),
    },
    component: 'policy-brain',
    logger: createLogger({ name: 'test', level: 'warn', json: true, to: { write: (line) => void lines.push(line) } }),
    registry,
  });
  return { recorder, written, failures, lines, registry };
}

const policy = { apiVersion: 'storage.billyronks.io/v1', kind: 'StoragePolicy', name: 'gold', uid: 'u' };
const started: EventInput = { regarding: policy, type: 'Normal', reason: 'MigrationStarted', message: 'pvc-1 goes from hot to cold' };

describe('EventRecorder', () => {
  it('writes an event where it is looked for: in the namespace of its object, or in default', async () => {
    const { recorder, written } = record();
    recorder.emit(started);
    recorder.emit({ ...started, regarding: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data', namespace: 'shop' } });
    await afterMs(0);
    expect(written.map(({ body }) => body['metadata'])).toEqual([
      { name: expect.stringMatching(/^gold\.[0-9a-f]{16}$/), namespace: 'default' },
      { name: expect.stringMatching(/^data\.[0-9a-f]{16}$/), namespace: 'shop' },
    ]);
    expect(written[0]?.body).toMatchObject({
      involvedObject: policy,
      type: 'Normal',
      reason: 'MigrationStarted',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'policy-brain' },
    });
  });

  it('counts the same event again on the first one, for as long as it keeps coming', async () => {
    const { recorder, written } = record();
    recorder.emit(started);
    await afterMs(60_000);
    recorder.emit(started);
    recorder.emit(started);
    await afterMs(0);
    expect(written.map(({ verb, body }) => [verb, body['count']])).toEqual([
      ['create', 1],
      ['patch', 3],
    ]);
    expect(written[1]).toMatchObject({ name: written[0]?.name, body: { lastTimestamp: '2026-01-01T00:01:00Z' } });
    await afterMs(600_000);
    recorder.emit(started);
    await afterMs(0);
    expect(written.at(-1)).toMatchObject({ verb: 'create', body: { count: 1 } });
  });

  it('writes it anew where the API server has forgotten the first one', async () => {
    const { recorder, written, failures } = record();
    recorder.emit(started);
    await afterMs(0);
    failures.push(new KubeError('NOT_FOUND', { object: 'gold.1' }));
    recorder.emit(started);
    await afterMs(0);
    expect(written.map(({ verb, body }) => [verb, body['count']])).toEqual([
      ['create', 1],
      ['create', 2],
    ]);
  });

  it('tries again what may succeed, and takes an event that is there already for written', async () => {
    const { recorder, written, failures, lines } = record();
    failures.push(new KubeError('UNREACHABLE'), new KubeError('THROTTLED', { retryAfterMs: 5_000 }), new KubeError('ALREADY_EXISTS'));
    recorder.emit(started);
    await afterMs(10_000);
    recorder.emit(started);
    await afterMs(0);
    expect(written.map(({ verb }) => verb)).toEqual(['patch']);
    expect(lines).toEqual([]);
  });

  it('gives up on what fails for good, counts it and says so once in a while', async () => {
    const { recorder, written, failures, lines, registry } = record();
    for (let minute = 0; minute < 15; minute += 1) {
      failures.push(new KubeError('FORBIDDEN'));
      recorder.emit({ ...started, message: `move ${minute}` });
      await afterMs(60_000);
    }
    expect(written).toEqual([]);
    expect(lines.map((line) => JSON.parse(line)).map(({ lost, err }) => [lost, err.code])).toEqual([
      [1, 'KUBE_FORBIDDEN'],
      [10, 'KUBE_FORBIDDEN'],
    ]);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_events_total')).toContain('{result="failed"} 15');
  });

  it('lets one object say no more than its share, and the others theirs', async () => {
    const { recorder, written, registry } = record();
    for (let index = 0; index < 100; index += 1) {
      recorder.emit({ ...started, message: `move ${index}` });
    }
    recorder.emit({ ...started, regarding: { ...policy, name: 'silver', uid: 'v' } });
    await afterMs(0);
    expect(written).toHaveLength(26);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_events_total')).toContain('{result="dropped"} 75');
    await afterMs(120_000);
    for (let index = 0; index < 100; index += 1) {
      recorder.emit({ ...started, message: `move ${index}` });
    }
    await afterMs(0);
    expect(written).toHaveLength(28);
  });

  it('keeps no more than it may while the API server is away, and cuts what is too long', async () => {
    const { recorder, written, failures, registry } = record();
    failures.push(new KubeError('UNREACHABLE'));
    for (let index = 0; index < 1_500; index += 1) {
      recorder.emit({ ...started, regarding: { ...policy, name: `policy-${index}` }, message: 'x'.repeat(5_000) });
    }
    await afterMs(10_000);
    expect(written).toHaveLength(1_000);
    expect(written[0]?.body['message']).toHaveLength(1_000);
    expect(await registry.getSingleMetricAsString('couchestor_kubernetes_events_total')).toContain('{result="dropped"} 500');
  });

  it('writes what waits when it is stopped, for as long as it is given', async () => {
    const { recorder, written, failures } = record();
    recorder.emit(started);
    await recorder.stop({ budgetMs: 1_000 });
    recorder.emit({ ...started, message: 'too late' });
    await afterMs(0);
    expect(written).toHaveLength(1);

    const late = record();
    late.failures.push(...Array.from({ length: 10 }, () => new KubeError('UNREACHABLE')));
    late.recorder.emit(started);
    late.recorder.emit({ ...started, message: 'second' });
    const stopping = late.recorder.stop({ budgetMs: 2_000 });
    await afterMs(2_000);
    await stopping;
    expect([late.written.length, failures.length]).toEqual([0, 0]);
    expect(await late.registry.getSingleMetricAsString('couchestor_kubernetes_events_total')).toContain('{result="dropped"} 1');
  });
});
