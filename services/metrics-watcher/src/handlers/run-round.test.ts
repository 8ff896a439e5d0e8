import { type VolumeSampledPayload, volumeSampled } from '@couchestor/shared/contracts/volume-sampled';
import { createLogger } from '@couchestor/shared/logger';
import {
  jsonAnswer,
  type RudeAnswer,
  type RudeHttpServer,
  type RudeRequest,
  startRudeHttpServer,
} from '@couchestor/shared/testing/rude-http-server';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Prometheus } from '../adapters/prometheus.ts';
import { VolumeLister } from '../adapters/volume-list.ts';
import { mayastorQueries } from '../domain/queries.ts';
import { watcherMetrics } from '../metrics.ts';
import { ConditionLog } from './condition-log.ts';
import { type BackOff, type RunRoundDeps, runRound } from './run-round.ts';

const busy = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a01';
const quiet = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a02';
const parked = '5f4e5f0c-6a5b-4c51-9e0d-0d5c8b8f0a03';

let server: RudeHttpServer;
let prometheus: Prometheus;
let registry: Registry;
let lines: string[];
let published: VolumeSampledPayload[];
let backOffs: Map<number, BackOff>;
let listFails: Error | undefined;
let nowMs: number;
let deps: RunRoundDeps;

function volume(uuid: string, target: object | null) {
  return { spec: { uuid, target }, state: { target } };
}

beforeEach(async () => {
  server = await startRudeHttpServer();
  prometheus = new Prometheus({ url: server.url, requestTimeoutMs: 250 });
  registry = new Registry();
  lines = [];
  published = [];
  backOffs = new Map();
  listFails = undefined;
  nowMs = Date.now();
  const volumes = [volume(busy, { node: 'n1' }), volume(quiet, { node: 'n1' }), volume(parked, null)];
  deps = {
    prometheus,
    volumeLister: new VolumeLister({
      listVolumes: async () => {
        if (listFails !== undefined) {
          throw listFails;
        }
        return volumes as never;
      },
    }),
    publish: async (payload) => {
      published.push(volumeSampled.payload.parse(payload));
    },
    metrics: watcherMetrics(registry, { now: () => nowMs }),
    conditions: new ConditionLog(createLogger({ name: 'test', level: 'info', json: true, to: { write: (line) => void lines.push(line) } })),
    templates: mayastorQueries,
    volumeLabel: 'pv_name',
    limits: { rateIntervalMs: 300_000, scrapeIntervalMs: 1_000 },
    sampleIntervalMs: 1_000,
    now: () => nowMs,
    random: () => 0,
  };
});

afterEach(async () => {
  await prometheus.close();
  await server.close();
});

async function round(windowSeconds: readonly number[] = [3_600]): Promise<void> {
  published = [];
  nowMs += 1_000;
  await runRound(deps, { windowSeconds, number: nowMs, intervalMs: 1_000, backOffs, signal: new AbortController().signal });
}

function statuses(): Record<string, string> {
  return Object.fromEntries(published.flatMap(({ samples }) => samples).map(({ volumeId, status }) => [volumeId, status]));
}

function reasonOf(volumeId: string): string {
  const sample = published.flatMap(({ samples }) => samples).find((each) => each.volumeId === volumeId);
  return sample?.status === 'unknown' ? sample.reason : '';
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const found = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return found.find((each) => Object.entries(labels).every(([key, value]) => String(each.labels[key]) === value))?.value;
}

function series(request: RudeRequest, name: string, value: string) {
  return { metric: { pv_name: name }, value: [Number(new URLSearchParams(request.body).get('time')), value] };
}

function answerOf(result: unknown[], extra: object = {}): RudeAnswer {
  return jsonAnswer({ status: 'success', data: { resultType: 'vector', result }, ...extra });
}

function isCoverage(request: RudeRequest): boolean {
  return request.body.includes('count_over_time');
}

/** `busy` at 5 operations a second of each kind, fully covered. */
function wellMeasured(request: RudeRequest): RudeAnswer {
  return answerOf([series(request, `pvc-${busy}`, isCoverage(request) ? '1' : '5')]);
}

describe('a round', () => {
  it('tells measured, idle and unknown apart', async () => {
    server.answerWith(wellMeasured);
    await round();
    expect(statuses()).toEqual({ [busy]: 'measured', [quiet]: 'unknown', [parked]: 'idle' });
    expect(reasonOf(quiet)).toContain('published but Prometheus has no read IOPS');
    expect(published).toMatchObject([
      { windowSeconds: 3_600, round: nowMs, batch: 0, batches: 1, observedAt: new Date(nowMs).toISOString() },
    ]);
    expect(await metric('couchestor_watcher_volumes', { window: '3600', status: 'measured' })).toBe(1);
    expect(await metric('couchestor_prometheus_up')).toBe(1);
    expect(await metric('couchestor_mayastor_up')).toBe(1);
    expect(await metric('couchestor_watcher_sample_age_seconds', { window: '3600' })).toBe(0);
  });

  it('asks five queries a window, however many volumes there are', async () => {
    server.answerWith(wellMeasured);
    await round([60, 3_600]);
    expect(server.requests).toHaveLength(10);
    expect(published.map(({ windowSeconds }) => windowSeconds).sort()).toEqual([3_600, 60]);
  });

  it('asks in sixteen shards above 20,000 volumes, and a shard that fails concerns only its own', async () => {
    const digits = [...'0123456789abcdef'];
    const many = Array.from({ length: 20_001 }, (_, n) => `${digits[n % 16]}${String(n).padStart(7, '0')}-0000-4000-8000-000000000000`);
    const patient = new Prometheus({ url: server.url, requestTimeoutMs: 20_000 });
    deps = {
      ...deps,
      prometheus: patient,
      volumeLister: new VolumeLister({ listVolumes: async () => many.map((id) => volume(id, {})) as never }),
    };
    server.answerWith((request) => {
      const pattern = /pv_name=~"([^"]+)"/.exec(new URLSearchParams(request.body).get('query') ?? '')?.[1] ?? '';
      const digit = digits.find((each) => new RegExp(`^(?:${pattern})$`).test(`pvc-${each}`)) ?? '';
      return digit === 'a'
        ? jsonAnswer({ status: 'error', errorType: 'execution', error: 'too many samples' }, 422)
        : answerOf(many.filter((id) => id.startsWith(digit)).map((id) => series(request, `pvc-${id}`, isCoverage(request) ? '1' : '5')));
    });
    await round();
    await patient.close();
    const counts = { measured: 0, idle: 0, unknown: 0 };
    for (const { volumeId, status } of published.flatMap(({ samples }) => samples)) {
      counts[status] += 1;
      expect(status).toBe(volumeId.startsWith('a') ? 'unknown' : 'measured');
    }
    expect(counts).toEqual({ measured: 20_001 - 1_250, idle: 0, unknown: 1_250 });
    expect(published.map(({ batch, batches }) => [batch, batches])).toEqual(published.map((_, n) => [n, published.length]));
    expect(await metric('couchestor_watcher_rounds_total', { result: 'partly-measured' })).toBe(1);
  });

  it.each<[string, (request: RudeRequest) => RudeAnswer, string]>([
    ['timing out', () => ({ kind: 'hang' }), 'prom-timeout'],
    ['closing the connection', () => ({ kind: 'close' }), 'prom-unreachable'],
    ['503', () => ({ kind: 'body', status: 503, body: '' }), 'prom-unavailable'],
    ['HTML', () => ({ kind: 'body', status: 200, body: '<html>' }), 'prom-invalid-answer'],
    ['truncated JSON', () => ({ kind: 'body', status: 200, body: '{"status":"succ' }), 'prom-invalid-answer'],
    ['200 with status error', () => jsonAnswer({ status: 'error', errorType: 'execution', error: 'boom' }), 'prom-query-failed'],
    ['a warning', (request) => answerOf([series(request, `pvc-${busy}`, '1')], { warnings: ['store offline'] }), 'prom-partial'],
    ['NaN', (request) => answerOf([series(request, `pvc-${busy}`, 'NaN')]), 'not-a-number'],
    ['+Inf', (request) => answerOf([series(request, `pvc-${busy}`, '+Inf')]), 'infinite'],
    ['a negative rate', (request) => answerOf([series(request, `pvc-${busy}`, '-1')]), 'negative'],
    [
      'duplicate series',
      (request) => answerOf([series(request, `pvc-${busy}`, '1'), series(request, `pvc-${busy}`, '1')]),
      'duplicate-series',
    ],
    ['series without the label', (request) => answerOf([{ ...series(request, '', '1'), metric: { node: 'n1' } }]), 'no-label'],
    ['one query of five failing', (request) => (isCoverage(request) ? { kind: 'close' } : wellMeasured(request)), 'prom-unreachable'],
  ])('publishes no measurement on %s, but unknown with the reason, and counts it', async (_name, answer, kind) => {
    server.answerWith(answer);
    await round();
    expect(statuses()).toEqual({ [busy]: 'unknown', [quiet]: 'unknown', [parked]: 'idle' });
    expect(reasonOf(busy).length).toBeGreaterThan(20);
    expect(await metric('couchestor_watcher_answer_problems_total', { kind })).toBeGreaterThan(0);
  });

  it('says that nobody listens, and that Prometheus is down', async () => {
    await server.close();
    await round();
    expect(statuses()).toEqual({ [busy]: 'unknown', [quiet]: 'unknown', [parked]: 'idle' });
    expect(reasonOf(busy)).toContain('PROM_UNREACHABLE');
    expect(await metric('couchestor_prometheus_up')).toBe(0);
    expect(await metric('couchestor_watcher_rounds_total', { result: 'unmeasured' })).toBe(1);
  });

  it('backs off while Prometheus fails, keeps publishing unknown, logs twice in all, and recovers', async () => {
    server.answerWith(() => ({ kind: 'body', status: 503, body: '' }));
    const askedInRounds: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const before = server.requests.length;
      await round();
      askedInRounds.push(server.requests.length > before ? 1 : 0);
      expect(statuses()[busy]).toBe('unknown');
    }
    // Waits of 1, 2, 4 rounds.
    expect(askedInRounds).toEqual([1, 1, 0, 1, 0, 0, 0, 1]);
    server.answerWith(wellMeasured);
    for (let n = 0; n < 8; n += 1) {
      await round();
    }
    expect(statuses()[busy]).toBe('measured');
    expect(lines.filter((line) => line.includes('Window of 3600 s'))).toHaveLength(2);
  });

  it('does not let one heavy window spoil the others', async () => {
    server.answerWith((request) =>
      request.body.includes('86400000ms')
        ? jsonAnswer({ status: 'error', errorType: 'execution', error: 'too many samples' }, 422)
        : wellMeasured(request),
    );
    await round([3_600, 86_400]);
    expect(published.map(({ windowSeconds, samples }) => [windowSeconds, samples[0]?.status]).sort()).toEqual([
      [3_600, 'measured'],
      [86_400, 'unknown'],
    ]);
    expect(await metric('couchestor_prometheus_up')).toBe(1);
  });

  it('explains a window that is too short to be measured', async () => {
    server.answerWith(wellMeasured);
    await round([3]);
    expect(reasonOf(busy)).toContain('shorter than four scrape intervals');
    expect(server.requests).toHaveLength(0);
  });
});

describe('a round without Mayastor', () => {
  it('publishes nothing before the first list', async () => {
    listFails = new Error('connect ECONNREFUSED');
    await round();
    expect(published).toEqual([]);
    expect(await metric('couchestor_mayastor_up')).toBe(0);
  });

  it('makes every volume that was known unknown, idle ones too, and asks Prometheus nothing', async () => {
    server.answerWith(wellMeasured);
    await round();
    const asked = server.requests.length;
    listFails = new Error('connect ECONNREFUSED');
    await round();
    expect(statuses()).toEqual({ [busy]: 'unknown', [quiet]: 'unknown', [parked]: 'unknown' });
    expect(reasonOf(parked)).toContain('ECONNREFUSED');
    expect(server.requests).toHaveLength(asked);
  });

  it('leaves out a volume whose id is no uuid, and says so', async () => {
    server.answerWith(wellMeasured);
    deps = { ...deps, volumeLister: new VolumeLister({ listVolumes: async () => [volume(busy, {}), volume('no-uuid', {})] as never }) };
    await round();
    expect(statuses()).toEqual({ [busy]: 'measured' });
    expect(await metric('couchestor_watcher_answer_problems_total', { kind: 'volume-id' })).toBe(1);
    expect(lines.join()).toContain('no-uuid');
  });
});

describe('a round without the bus', () => {
  it('is counted, logged once, and does not end the watcher', async () => {
    server.answerWith(wellMeasured);
    deps = { ...deps, publish: () => Promise.reject(new Error('no responders')) };
    await round();
    await round();
    expect(await metric('couchestor_watcher_rounds_total', { result: 'unpublished' })).toBe(2);
    expect(lines.filter((line) => line.includes('Publishing samples'))).toHaveLength(1);
  });
});
