/** Every move of a world from its acceptance to its end, by what was stored and published. */

import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import { finishedMovesBucket, journalBucket, lockBucket, type MoveRecord } from '@couchestor/shared/contracts/migrator';
import type { Findings } from './findings.ts';
import type { LockBook } from './lock-book.ts';

interface BookedMove {
  readonly volumeId: string;
  record: MoveRecord;
  open: boolean;
  /** NATS was wiped while it was open, or since it ended. */
  lost: boolean;
  archived: MoveRecord | undefined;
  archivedAtStep: MoveRecord['step'] | undefined;
  readonly ends: string[];
}

export class MoveBook {
  readonly #moves = new Map<string, BookedMove>();
  readonly #findings: Findings;
  readonly #locks: LockBook;
  readonly #movesMax: number;
  readonly #now: () => number;

  constructor(o: { findings: Findings; locks: LockBook; movesMax: number; now: () => number }) {
    this.#findings = o.findings;
    this.#locks = o.locks;
    this.#movesMax = o.movesMax;
    this.#now = o.now;
  }

  record(moveId: string): MoveRecord | undefined {
    return this.#moves.get(moveId)?.record;
  }

  openOf(volumeId: string): MoveRecord | undefined {
    return [...this.#moves.values()].find((move) => move.open && move.volumeId === volumeId)?.record;
  }

  get open(): MoveRecord[] {
    return [...this.#moves.values()].filter((move) => move.open).map(({ record }) => record);
  }

  /** The last move of the volume that ended, with its end. */
  lastEnd(volumeId: string): MoveRecord | undefined {
    return [...this.#moves.values()].filter((move) => move.volumeId === volumeId && move.archived !== undefined).at(-1)?.archived;
  }

  ended(): MoveRecord[] {
    return [...this.#moves.values()].flatMap(({ archived, lost }) => (archived === undefined || lost ? [] : [archived]));
  }

  stored(bucket: string, key: string, value: unknown, before: unknown): void {
    if (bucket === lockBucket.name && value !== undefined) {
      this.#locks.stored(value as Parameters<LockBook['stored']>[0], this.#now());
    } else if (bucket === journalBucket.name) {
      this.#journaled(key, value as MoveRecord | undefined, before as MoveRecord | undefined);
    } else if (bucket === finishedMovesBucket.name && value !== undefined) {
      this.#archived(key, value as MoveRecord);
    }
  }

  published(move: FinishedMove): void {
    const known = this.#moves.get(move.moveId);
    const end = JSON.stringify(move.result);
    if (known === undefined) {
      this.#findings.breach('S10', `an end of ${move.moveId} was told, which nobody accepted`);
      return;
    }
    if (known.ends.length > 0 && !known.ends.includes(end) && !known.lost) {
      this.#findings.breach('S10', `two ends of ${move.moveId} were told: ${known.ends[0]} and ${end}`);
    }
    known.ends.push(end);
  }

  wiped(): void {
    for (const move of this.#moves.values()) {
      if (move.open) {
        this.#findings.count('moves lost with NATS');
      }
      move.open = false;
      move.lost = true;
    }
  }

  /** S10: every accepted move has one end, archived and told. */
  judgeEnds(): void {
    for (const [moveId, move] of this.#moves) {
      if (move.lost) {
        continue;
      }
      if (move.open) {
        const { step, tries, next } = move.record;
        this.#findings.breach(
          'S10',
          `move ${moveId} of ${move.volumeId} has no end: it is at ${step} (next ${next ?? '-'}, tries ${tries})`,
        );
      } else if (move.archived !== undefined && move.ends.length === 0) {
        this.#findings.breach('S10', `the end of ${moveId} was never told`);
      }
    }
  }

  #journaled(volumeId: string, record: MoveRecord | undefined, before: MoveRecord | undefined): void {
    const moveId = (record ?? before)?.request.moveId ?? '';
    const known = this.#moves.get(moveId);
    if (record === undefined) {
      if (known !== undefined && known.archived === undefined && !known.lost && known.record.story.length > 1) {
        this.#findings.breach('S10', `the record of ${moveId} was removed and the move is not archived`);
      }
      if (known !== undefined) {
        known.open = false;
      }
      return;
    }
    if (before !== undefined && before.request.moveId !== moveId && !this.#moves.get(before.request.moveId)?.lost) {
      this.#findings.breach('S10', `move ${moveId} was written over the open move ${before.request.moveId}`);
    }
    this.#findings.steps.add(record.step);
    if (known === undefined) {
      this.#moves.set(moveId, { volumeId, record, open: true, lost: false, archived: undefined, archivedAtStep: undefined, ends: [] });
      this.#findings.count(record.request.policy.name === '(recovered)' ? 'moves recovered from marks' : 'moves accepted');
    } else {
      // Who takes the record finds the end in the archive, and lets go of it. Who goes on from there does the move twice.
      if (before !== undefined && known.archived !== undefined && known.archivedAtStep !== record.step && !known.lost) {
        this.#findings.breach('S10', `move ${moveId} goes on after its end`);
      }
      if (record.step !== known.record.step) {
        this.#findings.say(
          'journal',
          `${moveId} ${volumeId.slice(0, 8)}: ${known.record.step} -> ${record.step}: ${record.story.at(-1)?.text ?? ''}`,
        );
      }
      known.record = record;
      known.open = true;
    }
    const open = this.open.filter(({ request }) => request.policy.name !== '(recovered)').length;
    if (before === undefined && record.request.policy.name !== '(recovered)' && open > this.#movesMax) {
      this.#findings.breach('limits', `${open} moves are open, ${this.#movesMax} are allowed`);
    }
  }

  #archived(moveId: string, record: MoveRecord): void {
    const known = this.#moves.get(moveId);
    if (known === undefined) {
      this.#findings.breach('S10', `move ${moveId} was archived, which nobody accepted`);
      return;
    }
    if (known.archived !== undefined && !known.lost) {
      this.#findings.breach('S10', `move ${moveId} was archived twice`);
    }
    known.archived = record;
    known.archivedAtStep = record.step;
    const { outcome, code } = record.result ?? { outcome: 'none', code: 'none' };
    this.#findings.endings.add(code);
    this.#findings.count(`ended: ${outcome}`);
    this.#findings.say('journal', `${moveId} ended: ${outcome} ${code} (${record.result?.message.slice(0, 120)})`);
  }
}
