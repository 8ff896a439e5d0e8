/**
 * Reads every shard of every stripe, header and data, and has healed what does not check.
 *
 * It goes through the index in the order of the ids, so that it can stop anywhere and go on from there. What it finds goes to the rebuilder,
 * which reads it again before it does anything.
 */
import { sleep } from '@couchestor/shared/time';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { ErasureCodec } from '../domain/codec/erasure-codec.ts';
import { shardCountOf, storedBytesOf } from '../domain/geometry.ts';
import type { StripeRow } from '../domain/stripe.ts';
import { VaultError } from './errors.ts';
import type { ReportedShard } from './rebuilder.ts';
import { type ShardRecordDeps, ShardRecords } from './shard-records.ts';
import type { LongCall } from './vault-api.ts';

/** Of those found, so many are watched until they are healed. */
const openFindingsMax = 10_000;
/** Rows are taken from the index in pages, and each row is read anew when its turn comes. */
const idsPerPage = 256;
/** A timer counts no further than 24 days. */
const sleepMsMax = 6 * 60 * 60_000;

export interface ScrubberDeps extends ShardRecordDeps {
  readonly index: Pick<IndexStore, 'sums' | 'stripe' | 'stripes' | 'counts'>;
  readonly codec: ErasureCodec;
  readonly throttle: (bytes: number, signal: AbortSignal) => Promise<void>;
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
  /** The rebuilder's `report` and `settle`. */
  readonly report: (finding: ReportedShard) => void;
  readonly settle: (call: LongCall) => Promise<unknown>;
  readonly now: () => number;
  /** Where the last one was stopped, and when one last came to its end: as `state` told. */
  readonly from?: ScrubState;
  /** Told every so often, to be kept. */
  readonly onState?: (state: ScrubState) => void;
}

export interface ScrubState {
  /** The next stripe to look at; absent between scrubs. */
  readonly nextStripeId?: number;
  readonly lastFinishedAtMs?: number;
}

export interface ScrubStatus {
  readonly isRunning: boolean;
  readonly lastFinishedAtMs?: number;
  /** These are of the scrub that runs, or of the last one. */
  readonly stripesChecked: number;
  readonly stripesTotal: number;
  readonly errorsFound: number;
  readonly healed: number;
}

export interface ScrubResult {
  readonly stripesChecked: number;
  readonly errorsFound: number;
  readonly healed: number;
}

export class Scrubber {
  readonly #deps: ScrubberDeps;
  readonly #calls = new Set<LongCall>();
  readonly #stop = new AbortController();
  #state: ScrubState;
  #run: { readonly done: Promise<ScrubResult>; readonly abort: AbortController } | undefined;
  #open: ReportedShard[] = [];
  #checked = 0;
  #total = 0;
  #errors = 0;
  #healed = 0;
  #schedule: Promise<void> | undefined;

  constructor(deps: ScrubberDeps) {
    this.#deps = deps;
    this.#state = deps.from ?? {};
  }

  /** Scrubs at every interval, and goes on with one that was stopped. */
  start(o: { intervalMs: number; deep?: boolean }): void {
    this.#schedule ??= this.#scrubAgainAndAgain(o).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) {
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(new VaultError('STOPPING'));
    this.#run?.abort.abort(this.#stop.signal.reason);
    await Promise.allSettled([this.#schedule, this.#run?.done]);
  }

  status(): ScrubStatus {
    const { lastFinishedAtMs } = this.#state;
    return {
      isRunning: this.#run !== undefined,
      ...(lastFinishedAtMs !== undefined && { lastFinishedAtMs }),
      stripesChecked: this.#checked,
      stripesTotal: this.#total,
      errorsFound: this.#errors,
      healed: this.#healed,
    };
  }

  /**
   * Joins the one that runs, which ends early when all who asked for it have given up. `deep`: where all shards are good, also that the parity
   * is what the data make it.
   */
  async scrub(call: LongCall, o: { deep?: boolean } = {}): Promise<ScrubResult> {
    while (this.#run?.abort.signal.aborted) {
      // Given up by all who wanted it, and about to end.
      await this.#run.done.catch(() => undefined);
    }
    this.#stop.signal.throwIfAborted();
    call.signal.throwIfAborted();
    this.#calls.add(call);
    this.#run ??= this.#begin(o.deep ?? false);
    const run = this.#run;
    try {
      return await orAborted(run.done, call.signal);
    } finally {
      this.#calls.delete(call);
      if (this.#calls.size === 0) {
        run.abort.abort(call.signal.reason);
      }
    }
  }

  #begin(isDeep: boolean): { readonly done: Promise<ScrubResult>; readonly abort: AbortController } {
    const abort = new AbortController();
    const done = this.#scrubAll(isDeep, abort.signal).finally(() => {
      this.#run = undefined;
    });
    // Whoever called may have given up by the time this fails.
    done.catch(() => undefined);
    return { done, abort };
  }

  async #scrubAll(isDeep: boolean, signal: AbortSignal): Promise<ScrubResult> {
    [this.#checked, this.#errors, this.#healed, this.#open] = [0, 0, 0, []];
    this.#total = this.#deps.index.counts().stripes;
    for (let next: number | undefined = this.#state.nextStripeId ?? 0; next !== undefined; ) {
      const ids = this.#idsFrom(next);
      for (const stripeId of ids) {
        signal.throwIfAborted();
        await this.#deps.inFlight(() => this.#check(stripeId, isDeep, signal));
        this.#checked += 1;
        this.#total = Math.max(this.#total, this.#checked);
        this.#keep({ ...this.#state, nextStripeId: stripeId + 1 });
        for (const { report } of this.#calls) {
          report({ done: this.#checked, total: this.#total, unit: 'stripes' });
        }
      }
      this.#countHealed();
      const last = ids.at(-1);
      next = last === undefined ? undefined : last + 1;
    }
    if (this.#open.length > 0) {
      await this.#deps.settle({ signal, report: () => undefined });
      this.#countHealed();
    }
    this.#keep({ lastFinishedAtMs: this.#deps.now() });
    return { stripesChecked: this.#checked, errorsFound: this.#errors, healed: this.#healed };
  }

  #idsFrom(from: number): number[] {
    const ids: number[] = [];
    for (const { stripeId } of this.#deps.index.stripes(from)) {
      ids.push(stripeId);
      if (ids.length === idsPerPage) {
        break;
      }
    }
    return ids;
  }

  async #check(stripeId: number, isDeep: boolean, signal: AbortSignal): Promise<void> {
    const row = this.#deps.index.stripe(stripeId);
    if (row === undefined) {
      return;
    }
    const places = row.shards.flatMap((at, place) => (at !== undefined && this.#deps.drives.holds(at.drive) ? [place] : []));
    const records = new ShardRecords(this.#deps);
    try {
      const data: (Uint8Array | undefined)[] = row.shards.map(() => undefined);
      for (const place of places) {
        await this.#deps.throttle(storedBytesOf(row.shape, place), signal);
        const content = await records.read(row, place);
        if (content.state === 'corrupt' || content.state === 'unreadable') {
          this.#found(row, place, content.state);
        }
        data[place] = content.state === 'good' ? content.data : undefined;
        if (!isDeep) {
          records.release();
        }
      }
      if (isDeep) {
        await this.#checkParity(row, data);
      }
    } finally {
      records.release();
    }
  }

  async #checkParity(row: StripeRow, data: readonly (Uint8Array | undefined)[]): Promise<void> {
    const shards = data.filter((one) => one !== undefined);
    if (row.shape.shardBytes === 0 || row.shape.parityShards === 0 || shards.length < shardCountOf(row.shape)) {
      return;
    }
    for (const place of await this.#deps.codec.verify(shards)) {
      this.#found(row, place, 'inconsistent');
    }
  }

  /** Unless the shard was moved while it was read. */
  #found(row: StripeRow, place: number, reason: ReportedShard['reason']): void {
    const at = row.shards[place];
    const now = this.#deps.index.stripe(row.stripeId)?.shards[place];
    if (at === undefined || now?.generation !== at.generation || now.segment !== at.segment || now.offsetBlocks !== at.offsetBlocks) {
      return;
    }
    const finding = { stripeId: row.stripeId, place, generation: at.generation, reason };
    this.#errors += 1;
    if (this.#open.length < openFindingsMax) {
      this.#open.push(finding);
    }
    this.#deps.report(finding);
  }

  #countHealed(): void {
    const open = this.#open.filter(({ stripeId, place, generation }) => {
      const row = this.#deps.index.stripe(stripeId);
      return row !== undefined && row.shards[place]?.generation === generation;
    });
    this.#healed += this.#open.length - open.length;
    this.#open = open;
  }

  #keep(state: ScrubState): void {
    this.#state = state;
    this.#deps.onState?.(state);
  }

  async #scrubAgainAndAgain({ intervalMs, deep = false }: { intervalMs: number; deep?: boolean }): Promise<void> {
    const { signal } = this.#stop;
    // A vault that was never scrubbed is new, or has been without scrubs: its first one is due an interval from now.
    const begunAtMs = this.#deps.now();
    for (;;) {
      const isUnfinished = this.#state.nextStripeId !== undefined && this.#run === undefined;
      const dueAtMs = isUnfinished ? this.#deps.now() : (this.#state.lastFinishedAtMs ?? begunAtMs) + intervalMs;
      const leftMs = dueAtMs - this.#deps.now();
      if (leftMs > 0) {
        await sleep(Math.min(leftMs, sleepMsMax), signal);
        continue;
      }
      await this.scrub({ signal, report: () => undefined }, { deep });
    }
  }
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
