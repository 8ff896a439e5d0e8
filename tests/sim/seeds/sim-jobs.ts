/** BullMQ as the migrators of a world see it: a job is given to a worker, and to another one once the lock of its worker has run out. */
import { type JobQueue, JobsError } from '@couchestor/shared/jobs';
import type { SimProcess } from './sim-process.ts';
import type { SimTime } from './sim-time.ts';

const lockMs = 10_000;
const awayAnswerMs = 3_000;

export interface MoveJob {
  readonly moveId: string;
  readonly volumeId: string;
}

interface QueuedJob {
  readonly id: string;
  readonly data: MoveJob;
  owner: Worker | undefined;
  /** Of the owner in hand. */
  lost: AbortController | undefined;
}

interface Worker {
  readonly process: SimProcess;
  readonly concurrency: number;
  running: number;
  readonly handle: (job: { id: string; data: MoveJob }, signal: AbortSignal) => Promise<void>;
}

export class SimJobs {
  readonly #time: SimTime;
  readonly #jobs = new Map<string, QueuedJob>();
  #workers: Worker[] = [];
  #awayUntilMs = 0;

  constructor(time: SimTime) {
    this.#time = time;
  }

  /** Redis comes back empty: the workers' jobs run on, and nobody knows of them. */
  lose(): void {
    this.#jobs.clear();
  }

  goAway(ms: number): void {
    this.#awayUntilMs = this.#time.now() + ms;
  }

  comeBack(): void {
    this.#awayUntilMs = 0;
    this.pump();
  }

  get size(): number {
    return this.#jobs.size;
  }

  queue(process: SimProcess): JobQueue<MoveJob> {
    const ask = async <T>(answer: () => T): Promise<T> => {
      await process.step();
      if (this.#away) {
        await process.sleep(awayAnswerMs);
        throw new JobsError('UNREACHABLE');
      }
      const result = answer();
      await process.step();
      return result;
    };
    return {
      add: (id, data) =>
        ask(() => {
          const known = this.#jobs.has(id);
          if (!known) {
            this.#jobs.set(id, { id, data, owner: undefined, lost: undefined });
            this.#time.after(1, () => this.pump());
          }
          return !known;
        }),
      has: (id) => ask(() => this.#jobs.has(id)),
      counts: () => ask(() => ({ waiting: this.#jobs.size, active: 0, delayed: 0 })),
      ping: () => ask(() => undefined),
      close: async () => undefined,
    };
  }

  work(o: Omit<Worker, 'running'>): void {
    this.#workers = [...this.#workers.filter(({ process }) => process.alive), { ...o, running: 0 }];
    this.pump();
  }

  pump(): void {
    if (this.#away) {
      this.#time.at(this.#awayUntilMs, () => this.pump());
      return;
    }
    for (const job of this.#jobs.values()) {
      const worker = this.#workers.find(({ process, running, concurrency }) => process.alive && !process.paused && running < concurrency);
      if (worker === undefined) {
        return;
      }
      if (job.owner === undefined) {
        this.#run(job, worker);
      }
    }
  }

  #run(job: QueuedJob, worker: Worker): void {
    const lost = new AbortController();
    job.owner = worker;
    job.lost = lost;
    worker.running += 1;
    this.#watchLock(job, worker, lost);
    const ended = (): void => {
      worker.running -= 1;
      if (this.#jobs.get(job.id) === job && job.owner === worker) {
        this.#jobs.delete(job.id);
      }
      this.pump();
    };
    worker.process.deliver(() => void worker.handle({ id: job.id, data: job.data }, lost.signal).then(ended, ended));
  }

  /** A worker that stands still, or has died, does not renew its lock. */
  #watchLock(job: QueuedJob, worker: Worker, lost: AbortController): void {
    this.#time.after(lockMs, () => {
      if (job.lost !== lost || this.#jobs.get(job.id) !== job) {
        // Redis has forgotten the job, which the worker learns when it renews.
        if (job.lost === lost && this.#jobs.get(job.id) !== job && worker.process.alive) {
          lost.abort(new JobsError('CLOSED'));
        }
        return;
      }
      if (worker.process.alive && !worker.process.paused) {
        this.#watchLock(job, worker, lost);
        return;
      }
      job.owner = undefined;
      job.lost = undefined;
      worker.process.deliver(() => lost.abort(new JobsError('CLOSED')));
      this.pump();
    });
  }

  get #away(): boolean {
    return this.#time.now() < this.#awayUntilMs;
  }
}
