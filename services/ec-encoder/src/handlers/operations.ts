/** What takes long runs here under an id, so that whoever asked may go away and look again. Nothing of it outlives the process. */
import { randomUUID } from 'node:crypto';
import type { Operation, OperationKind, OperationResult } from '@couchestor/shared/contracts/vault';
import type { Logger } from '@couchestor/shared/logger';
import { EcError } from '../errors.ts';
import type { LongCall, Progress } from '../vault/vault-api.ts';
import { errorBodyOf } from './error-body.ts';

/** They share the disks: more at a time only make each slower. */
const runningMax = 16;
/** Ended ones that are remembered, the newest. */
const endedMax = 100;

interface Entry {
  readonly id: string;
  readonly kind: OperationKind;
  readonly startedAtMs: number;
  readonly abort: AbortController;
  readonly settled: Promise<void>;
  progress: Progress;
  end: Pick<Operation, 'phase' | 'result' | 'error'> | undefined;
}

export class Operations {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  readonly #logger: Logger;

  constructor(o: { now: () => number; logger: Logger }) {
    this.#now = o.now;
    this.#logger = o.logger;
  }

  begin(kind: OperationKind, run: (call: LongCall) => Promise<OperationResult>): Operation {
    if ([...this.#entries.values()].filter(({ end }) => end === undefined).length >= runningMax) {
      throw new EcError('BUSY', { running: runningMax });
    }
    const id = randomUUID();
    const abort = new AbortController();
    const report = (progress: Progress): void => {
      entry.progress = progress;
    };
    const settled = Promise.resolve()
      .then(() => run({ signal: abort.signal, report }))
      .then(
        (result) => this.#end(entry, { phase: 'done', result }),
        (error: unknown) => this.#end(entry, { phase: abort.signal.aborted ? 'cancelled' : 'failed', error: errorBodyOf(error) }),
      );
    const entry: Entry = {
      id,
      kind,
      startedAtMs: this.#now(),
      abort,
      settled,
      progress: { done: 0, total: 0, unit: 'stripes' },
      end: undefined,
    };
    this.#entries.set(id, entry);
    this.#logger.info({ operation: id, kind }, 'an operation was begun');
    return this.#show(entry);
  }

  get(id: string): Operation {
    return this.#show(this.#entry(id));
  }

  /** The newest first. */
  list(): Operation[] {
    return [...this.#entries.values()].reverse().map((entry) => this.#show(entry));
  }

  /** Tells it to end; it is `cancelled` once it has. */
  cancel(id: string): Operation {
    const entry = this.#entry(id);
    entry.abort.abort(new EcError('CANCELLED'));
    return this.#show(entry);
  }

  /** Cancels all and waits for them. */
  async stop(): Promise<void> {
    const all = [...this.#entries.values()];
    for (const { abort } of all) {
      abort.abort(new EcError('STOPPING'));
    }
    await Promise.all(all.map(({ settled }) => settled));
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      throw new EcError('NOT_FOUND', { operation: id });
    }
    return entry;
  }

  #end(entry: Entry, end: NonNullable<Entry['end']>): void {
    entry.end = end;
    this.#logger.info({ operation: entry.id, kind: entry.kind, ...end }, 'an operation ended');
    const ended = [...this.#entries.values()].filter((one) => one.end !== undefined);
    for (const { id } of ended.slice(0, Math.max(0, ended.length - endedMax))) {
      this.#entries.delete(id);
    }
  }

  #show({ id, kind, startedAtMs, progress, end }: Entry): Operation {
    return {
      id,
      kind,
      phase: 'running',
      ...progress,
      startedAt: new Date(startedAtMs).toISOString(),
      ...(end === undefined ? etaOf(progress, this.#now() - startedAtMs) : end),
    };
  }
}

/** As if it went on as it went on average. */
function etaOf({ done, total }: Progress, elapsedMs: number): { etaSeconds?: number } {
  return done > 0 && total >= done ? { etaSeconds: (elapsedMs / 1_000) * ((total - done) / done) } : {};
}
