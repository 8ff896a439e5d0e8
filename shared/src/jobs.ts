/**
 * Typed BullMQ jobs: one service's own long work. A job is a wake-up, never the truth, so losing Redis loses nothing but time.
 *
 * Jobs are removed when they end, well or badly, because a job id that still exists would swallow the next attempt of its work. A worker
 * that dies leaves its job locked for some seconds; then another worker gets it, however often that happens.
 */
import { type Job, Queue, WaitingError, Worker } from 'bullmq';
import type { Registry } from 'prom-client';
import { Counter } from 'prom-client';
import type { z } from 'zod';
import { defineErrors, describeError } from './errors.ts';
import type { Logger } from './logger.ts';

export const JobsError = defineErrors('JOBS', {
  UNREACHABLE: { retry: true, help: 'Redis does not answer. Check that redis-server runs and that --redis-url (REDIS_URL) names it.' },
  INVALID_DATA: { retry: false, help: 'What was about to be queued does not fit the schema of its job. This is a fault of the sender.' },
  CLOSED: { retry: false, help: 'The job queue was used after it had been closed.' },
});

/** How long the job of a worker that died stays locked. No more than this: it delays every move that the worker had in hand. */
const jobLockMsMax = 10_000;
/** BullMQ fails a job for good after this many deaths of its worker. Nothing but the journal decides that a move is over. */
const stalledCountMax = 1_000_000;
/** The longest that one call to Redis may take before it is given up. */
const redisTimeoutMs = 3_000;
const reconnectMaxMs = 1_000;

export interface JobQueue<T> {
  /** Queues the job unless one of this id waits or runs. True where it was queued. */
  add(jobId: string, data: T): Promise<boolean>;
  /** Whether a job of this id waits or runs. */
  has(jobId: string): Promise<boolean>;
  counts(): Promise<{ waiting: number; active: number; delayed: number }>;
  /** Throws where Redis does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

interface JobsInput<T> {
  readonly queue: string;
  readonly redisUrl: string;
  readonly schema: z.ZodType<T>;
  readonly logger: Logger;
}

export function openJobQueue<T>(o: JobsInput<T>): JobQueue<T> {
  const closing = new AbortController();
  const queue = new Queue(o.queue, {
    connection: {
      ...connectionTo(o.redisUrl, closing.signal),
      // A caller is told that Redis is away rather than left waiting for it.
      enableOfflineQueue: false,
      commandTimeout: redisTimeoutMs,
    },
    // The check is made once, and a failed one would stay failed; the worker's connection makes it too, and waits.
    skipVersionCheck: true,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
  });
  const lastError = watchErrors(queue, o);
  const ask = async <R>(question: () => Promise<R>): Promise<R> => {
    try {
      return await within(redisTimeoutMs, question());
    } catch (cause) {
      throw new JobsError('UNREACHABLE', { queue: o.queue, lastError: lastError() }, { cause });
    }
  };
  return {
    async add(jobId, data) {
      const checked = o.schema.safeParse(data);
      if (!checked.success) {
        const [issue] = checked.error.issues;
        throw new JobsError('INVALID_DATA', { queue: o.queue, jobId, field: issue?.path.join('.'), problem: issue?.message });
      }
      return ask(async () => {
        const known = await queue.getJobState(jobId);
        await queue.add(o.queue, checked.data, { jobId });
        return known === 'unknown';
      });
    },
    has: (jobId) => ask(async () => (await queue.getJobState(jobId)) !== 'unknown'),
    counts: () =>
      ask(async () => {
        const { waiting = 0, active = 0, delayed = 0 } = await queue.getJobCounts('waiting', 'active', 'delayed');
        return { waiting, active, delayed };
      }),
    ping: () =>
      ask(async () => {
        await queue.getJobCounts('active');
      }),
    close: async () => {
      closing.abort();
      await closed(queue);
    },
  };
}

export interface JobWorkerInput<T> extends JobsInput<T> {
  readonly concurrency: number;
  /** The signal is aborted when the worker stops, or when it may have lost the job to another worker. A throw ends the job too. */
  readonly handle: (job: { id: string; data: T }, signal: AbortSignal) => Promise<void>;
  readonly registry?: Registry;
  /** How long the job of a worker that died stays locked, at most and by default 10 s. */
  readonly lockMs?: number;
}

/**
 * Resolves once the worker listens; where Redis is away, after some seconds, and it then listens once Redis is back. `stop` aborts the
 * handlers' signals and waits for them to return; a job whose handler then throws goes back into the queue.
 */
export async function startJobWorker<T>(o: JobWorkerInput<T>): Promise<{ stop(): Promise<void> }> {
  const lockMs = Math.min(o.lockMs ?? jobLockMsMax, jobLockMsMax);
  const finished = o.registry === undefined ? undefined : jobsFinished(o.registry);
  const stopping = new AbortController();
  const closing = new AbortController();
  const inHand = new Set<Promise<void>>();
  const run = async (job: Job, token: string | undefined, lost: AbortSignal | undefined): Promise<void> => {
    if (stopping.signal.aborted) {
      // BullMQ hands out what it was waiting for even while it closes: often the very job that was just put back.
      return putBack(job, token);
    }
    const id = job.id ?? '';
    const checked = o.schema.safeParse(job.data);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      finished?.inc({ queue: o.queue, result: 'unreadable' });
      o.logger.error(
        { queue: o.queue, jobId: id, field: issue?.path.join('.'), problem: issue?.message },
        'a job could not be read and was removed',
      );
      return;
    }
    const signal = lost === undefined ? stopping.signal : AbortSignal.any([stopping.signal, lost]);
    try {
      await o.handle({ id, data: checked.data }, signal);
      finished?.inc({ queue: o.queue, result: 'done' });
    } catch (error) {
      if (stopping.signal.aborted) {
        // Interrupted, not failed: another worker, or this one after its restart, goes on with it.
        return putBack(job, token);
      }
      if (lost?.aborted) {
        finished?.inc({ queue: o.queue, result: 'lost' });
        o.logger.warn({ queue: o.queue, jobId: id, err: error }, 'a job was left, since another worker may have it');
        throw error;
      }
      finished?.inc({ queue: o.queue, result: 'failed' });
      o.logger.error({ queue: o.queue, jobId: id, err: error }, 'a job failed and was removed');
      throw error;
    }
  };
  const track = (work: Promise<void>): Promise<void> => {
    const done = work.then(
      () => undefined,
      () => undefined,
    );
    inHand.add(done);
    done.finally(() => inHand.delete(done));
    return work;
  };
  const worker = new Worker(o.queue, (job, token, signal) => track(run(job, token, signal)), {
    connection: { ...connectionTo(o.redisUrl, closing.signal), maxRetriesPerRequest: null },
    concurrency: o.concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount: stalledCountMax,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  watchErrors(worker, o);
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const jobId of jobIds) {
      o.logger.warn({ queue: o.queue, jobId }, 'the lock of a job could not be renewed; another worker may take the job');
      worker.cancelJob(jobId, 'the lock of the job could not be renewed');
    }
  });
  await within(redisTimeoutMs, worker.waitUntilReady()).catch(() => {
    o.logger.warn({ queue: o.queue }, 'Redis does not answer yet; the worker starts when it does');
  });
  return {
    stop: async () => {
      stopping.abort(new JobsError('CLOSED', { queue: o.queue }));
      const closedAll = closed(worker);
      await Promise.all(inHand);
      closing.abort();
      await closedAll;
    },
  };
}

async function putBack(job: Job, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

async function within<R>(limitMs: number, work: Promise<R>): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reconnects until the signal is aborted: from then on the next loss, or the next attempt that fails, is the end of the connection. */
function connectionTo(url: string, closing: AbortSignal) {
  return {
    url,
    connectTimeout: redisTimeoutMs,
    retryStrategy: (attempt: number) => (closing.aborted ? null : Math.min(reconnectMaxMs, 50 * 2 ** Math.min(attempt, 10))),
  };
}

/** Without Redis, BullMQ cannot close in its ordinary way and says so; the connection has come to its end then. */
async function closed(connected: { close(): Promise<void> }): Promise<void> {
  await connected.close().catch(() => undefined);
}

/** Connection errors come again with every attempt to reconnect: the first is logged, then those that differ. */
function watchErrors(
  emitter: { on(event: 'error', listener: (error: Error) => void): unknown },
  o: { queue: string; logger: Logger },
): () => string | undefined {
  let last: string | undefined;
  emitter.on('error', (error) => {
    const text = describeError(error) || error.name;
    if (text !== last) {
      last = text;
      o.logger.warn({ queue: o.queue, err: error }, 'trouble with Redis');
    }
  });
  return () => last;
}

function jobsFinished(registry: Registry): Counter<'queue' | 'result'> {
  const name = 'couchestor_jobs_total';
  const known = registry.getSingleMetric(name);
  return known === undefined
    ? new Counter({
        name,
        help: 'Jobs by how they ended: done, failed, lost or unreadable.',
        labelNames: ['queue', 'result'],
        registers: [registry],
      })
    : (known as Counter<'queue' | 'result'>);
}
