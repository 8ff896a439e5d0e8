/**
 * Follows every move from outside: its record in the journal as it changes, and its end as it is told.
 *
 * A wiped NATS forgets moves, and the brain, whose ledger is gone too, may give a new move an old id. So moves are told apart by the era
 * they were accepted in; a new era begins with each wipe.
 */
import type { Bus } from '@couchestor/shared/bus/connect';
import { type FinishedMove, migrationFinished } from '@couchestor/shared/contracts/migration';
import { finishedMovesBucket, journalBucket, type MoveRecord } from '@couchestor/shared/contracts/migrator';

export interface FollowedMove {
  readonly era: number;
  readonly moveId: string;
  readonly volumeId: string;
  /** By the time at which the move ended: the same end may be told more than once. */
  readonly ends: Map<string, FinishedMove>;
  /** Its record was made too late by JetStream's time and removed at once: it was never accepted, and has no end to tell. */
  lapsed: boolean;
  /** Kills that were aimed at this move. */
  kills: number;
}

export interface MoveListener {
  /** Called within the delivery of the journal's change, whenever a move has reached another step. */
  onStep(record: MoveRecord): void;
  onEnd(move: FollowedMove): void;
}

export class MoveFollower {
  readonly #bus: Bus;
  readonly #open = new Map<string, MoveRecord>();
  readonly #moves = new Map<string, FollowedMove>();
  readonly #listener: MoveListener;
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #vanished: string[] = [];
  #era = 0;

  private constructor(bus: Bus, listener: MoveListener) {
    this.#bus = bus;
    this.#listener = listener;
  }

  static async start(bus: Bus, listener: MoveListener): Promise<MoveFollower> {
    const follower = new MoveFollower(bus, listener);
    const watches = [
      await bus.watchEvent(migrationFinished, ({ payload }) => follower.#onFinished(payload)),
      await bus.bucket(journalBucket).watch(({ key, entry }) => follower.#onJournal(key, entry?.value)),
    ];
    follower.#stops.push(...watches.map((watch) => () => watch.stop()));
    return follower;
  }

  get open(): ReadonlyMap<string, MoveRecord> {
    return this.#open;
  }

  get moves(): readonly FollowedMove[] {
    return [...this.#moves.values()];
  }

  followed(record: MoveRecord): FollowedMove {
    return this.#move(record.request);
  }

  /** Of the journal itself, and not as last heard. Undefined where the volume has no open move. */
  async readRecord(volumeId: string): Promise<MoveRecord | undefined> {
    return (await this.#bus.bucket(journalBucket).get(volumeId))?.value;
  }

  /** Called while NATS is down and empty. */
  onWiped(): void {
    for (const { era, ends, lapsed, moveId, volumeId } of this.#moves.values()) {
      if (era === this.#era && ends.size === 0 && !lapsed && this.#open.get(volumeId)?.request.moveId !== moveId) {
        this.#vanished.push(`move ${moveId} of ${volumeId} was neither open nor ended when NATS was wiped (era ${era})`);
      }
    }
    this.#era += 1;
    this.#open.clear();
  }

  /** Moves that have not exactly one end, but for those that were open when NATS was wiped. */
  async unended(): Promise<string[]> {
    const archive = new Map((await this.#bus.bucket(finishedMovesBucket).entries()).map(({ key, value }) => [key, value]));
    const unended = this.moves
      .filter(({ lapsed, ends }) => !lapsed || ends.size > 0)
      .filter(({ era, moveId, ends }) => ends.size > 1 || (era === this.#era && !(ends.size === 1 && archive.has(moveId))))
      .map(({ moveId, volumeId, ends, era }) => {
        const told = [...ends.values()].map(({ result, finishedAt }) => `${result.code} at ${finishedAt}`).join(', ') || 'none';
        return `move ${moveId} of ${volumeId} (era ${era} of ${this.#era}) has these ends: ${told}; archived: ${archive.has(moveId)}`;
      });
    return [...this.#vanished, ...unended];
  }

  outcomes(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { ends } of this.#moves.values()) {
      const [end] = ends.values();
      const outcome = end === undefined ? 'forgotten' : `${end.result.outcome} ${end.result.code}`;
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    return counts;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()));
  }

  #onJournal(volumeId: string, record: MoveRecord | undefined): void {
    const before = this.#open.get(volumeId);
    if (record === undefined) {
      if (before !== undefined) {
        this.#move(before.request).lapsed = before.step === 'analyze' && Date.now() > Date.parse(before.request.expiresAt);
      }
      this.#open.delete(volumeId);
      return;
    }
    this.#open.set(volumeId, record);
    this.#move(record.request);
    if (record.step !== before?.step || record.request.moveId !== before.request.moveId) {
      this.#listener.onStep(record);
    }
  }

  #onFinished(move: FinishedMove): void {
    const known = this.moves.findLast(({ moveId }) => moveId === move.moveId);
    // The end of a move that was accepted before a wipe may be told after it; that of one which has ended already is another move's.
    const isItsEnd = known !== undefined && (known.era === this.#era || known.ends.size === 0 || known.ends.has(move.finishedAt));
    const followed = isItsEnd ? known : this.#move(move);
    if (!followed.ends.has(move.finishedAt)) {
      followed.ends.set(move.finishedAt, move);
      this.#listener.onEnd(followed);
    }
  }

  #move({ moveId, volumeId }: { moveId: string; volumeId: string }): FollowedMove {
    const key = `${this.#era} ${moveId}`;
    const known = this.#moves.get(key);
    if (known !== undefined) {
      return known;
    }
    const move = { era: this.#era, moveId, volumeId, ends: new Map<string, FinishedMove>(), lapsed: false, kills: 0 };
    this.#moves.set(key, move);
    return move;
  }
}

/** Nobody but the migrator changes replica counts here, so no move may end for such a reason, or because it lost sight of its own doing. */
const strangeCodes: ReadonlySet<string> = new Set([
  'CHANGED_EXTERNALLY',
  'WRONG_POOL',
  'VOLUME_GONE',
  'NO_BIAS',
  'SHRINK_REFUSED',
  'ROLL_BACK_REFUSED',
]);

export function strangeEnds({ moveId, volumeId, ends }: FollowedMove): string[] {
  return [...ends.values()]
    .filter(({ result }) => strangeCodes.has(result.code))
    .map(({ result, finishedAt }) => `move ${moveId} of ${volumeId} ended with ${result.code} at ${finishedAt}: ${result.message}`);
}
