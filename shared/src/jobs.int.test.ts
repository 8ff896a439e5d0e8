import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type JobQueue, openJobQueue, startJobWorker } from './jobs.ts';
import { quietLogger } from './testing/quiet-logger.ts';
import { startTestRedis, type TestServer } from './testing/servers.ts';
import { waitUntil } from './testing/wait-until.ts';

const logger = quietLogger();
const schema = z.strictObject({ count: z.int() });
type Handle = (job: { id: string; data: z.infer<typeof schema> }, signal: AbortSignal) => Promise<void>;

let server: TestServer;
const queues: JobQueue<unknown>[] = [];

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
  await server?.stop();
});

function open(queue: string) {
  const place = { queue, redisUrl: server.url, schema, logger };
  const opened = openJobQueue(place);
  queues.push(opened as JobQueue<unknown>);
  return {
    queue: opened,
    work: (handle: Handle, registry = new Registry()) => startJobWorker({ ...place, concurrency: 2, handle, registry }),
  };
}

describe('jobs', () => {
  it('are done once each and leave nothing behind, so that their id can be used again', async () => {
    const { queue, work } = open('done');
    const seen: unknown[] = [];
    const registry = new Registry();
    const worker = await work(async (job) => void seen.push(job), registry);
    expect(await queue.add('a', { count: 1 })).toBe(true);
    await waitUntil(async () => !(await queue.has('a')));
    expect(await queue.add('a', { count: 2 })).toBe(true);
    await waitUntil(async () => seen.length === 2 && !(await queue.has('a')));
    await worker.stop();
    expect(seen).toEqual([
      { id: 'a', data: { count: 1 } },
      { id: 'a', data: { count: 2 } },
    ]);
    expect(await registry.metrics()).toContain('couchestor_jobs_total{queue="done",result="done"} 2');
  });

  it('of an id that still waits are not queued twice', async () => {
    const { queue } = open('twice');
    expect(await queue.add('a', { count: 1 })).toBe(true);
    expect(await queue.add('a', { count: 2 })).toBe(false);
    expect(await queue.has('a')).toBe(true);
    expect(await queue.has('b')).toBe(false);
    expect(await queue.counts()).toEqual({ waiting: 1, active: 0, delayed: 0 });
  });

  it('that fail are removed too, and are told', async () => {
    const { queue, work } = open('failing');
    const registry = new Registry();
    const worker = await work(() => Promise.reject(new Error('no')), registry);
    await queue.add('a', { count: 1 });
    await waitUntil(async () => (await registry.metrics()).includes('couchestor_jobs_total{queue="failing",result="failed"} 1'));
    await waitUntil(async () => !(await queue.has('a')));
    await worker.stop();
  });

  it('that cannot be read are removed and told, and the worker goes on', async () => {
    const { queue, work } = open('unreadable');
    const foreign = new Queue('unreadable', { connection: { url: server.url } });
    await foreign.add('unreadable', { count: 'many' }, { jobId: 'bad' });
    const seen: string[] = [];
    const registry = new Registry();
    const worker = await work(async ({ id }) => void seen.push(id), registry);
    await queue.add('good', { count: 1 });
    await waitUntil(async () => seen.includes('good') && !(await queue.has('bad')));
    expect(await registry.metrics()).toContain('couchestor_jobs_total{queue="unreadable",result="unreadable"} 1');
    await worker.stop();
    await foreign.close();
    expect(seen).toEqual(['good']);
  });

  it('that do not fit their schema are refused, naming the field', async () => {
    const { queue } = open('refused');
    await expect(queue.add('a', { count: 1.5 })).rejects.toMatchObject({
      code: 'JOBS_INVALID_DATA',
      retry: false,
      facts: { field: 'count' },
    });
  });

  it('interrupted by a stop go back into the queue, and the stopping worker does not begin them again', async () => {
    const { queue, work } = open('interrupted');
    await queue.add('a', { count: 1 });
    for (let round = 1; round <= 10; round += 1) {
      let begun = 0;
      const worker = await work((_job, signal) => {
        begun += 1;
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      });
      await waitUntil(() => begun > 0);
      await worker.stop();
      expect(begun).toBe(1);
      expect(await queue.has('a')).toBe(true);
    }
    const seen: string[] = [];
    const next = await work(async ({ id }) => void seen.push(id));
    await waitUntil(() => seen.length === 1);
    await next.stop();
  });

  it('in hand end before a stop does, where they do not heed it', async () => {
    const { queue, work } = open('finished');
    let finish: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let started = false;
    let ended = false;
    const worker = await work(async () => {
      started = true;
      await slow;
      ended = true;
    });
    await queue.add('a', { count: 1 });
    await waitUntil(() => started);
    const stopping = worker.stop();
    finish();
    await stopping;
    expect(ended).toBe(true);
    expect(await queue.has('a')).toBe(false);
  });

  it('of a worker that was killed are done by another one', async () => {
    const { queue, work } = open('killed');
    const script = fileURLToPath(new URL('./testing/stuck-job-worker.ts', import.meta.url));
    const doomed = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', script, server.url, 'killed'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await queue.add('a', { count: 1 });
    await once(doomed.stdout, 'data');
    const seen: string[] = [];
    const heir = await work(async ({ id }) => void seen.push(id));
    doomed.kill('SIGKILL');
    await waitUntil(() => seen.length === 1, { timeoutMs: 25_000, what: 'the heir to get the job' });
    await waitUntil(async () => !(await queue.has('a')));
    await heir.stop();
    expect(seen).toEqual(['a']);
  }, 30_000);
});

describe('without Redis', () => {
  it('callers are told within seconds, and everything goes on once it is back', async () => {
    const { queue, work } = open('restarted');
    const seen: string[] = [];
    const worker = await work(async ({ id }) => void seen.push(id));
    await queue.add('before', { count: 1 });
    await waitUntil(() => seen.includes('before'));
    await server.kill();
    await expect(queue.add('meanwhile', { count: 1 })).rejects.toMatchObject({ code: 'JOBS_UNREACHABLE', retry: true });
    await expect(queue.ping()).rejects.toMatchObject({ code: 'JOBS_UNREACHABLE' });
    await server.restart();
    await waitUntil(() => queue.add('after', { count: 1 }), { what: 'a job to be queued again' });
    await waitUntil(() => seen.includes('after'));
    await worker.stop();
  });

  it('a job that was queued is still there when Redis comes back', async () => {
    const { queue, work } = open('durable');
    await queue.add('kept', { count: 1 });
    await server.kill();
    await server.restart();
    await waitUntil(() => queue.has('kept').catch(() => false));
    const seen: string[] = [];
    const worker = await work(async ({ id }) => void seen.push(id));
    await waitUntil(() => seen.length === 1);
    await worker.stop();
  });

  it('a worker and a queue start, and stop, and start to work when Redis comes', async () => {
    await server.kill();
    const { queue, work } = open('early');
    const seen: string[] = [];
    const abandoned = await work(async ({ id }) => void seen.push(id));
    await abandoned.stop();
    const worker = await work(async ({ id }) => void seen.push(id));
    await server.restart();
    await waitUntil(() => queue.add('a', { count: 1 }).catch(() => false));
    await waitUntil(() => seen.length === 1);
    await worker.stop();
  }, 30_000);
});
