/** Follows the one move of the chaos demonstration, and kills what its plan names when the move is there. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { FinishedMove, MoveStep } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import type { StackEvent } from '../stack/progress.ts';
import type { LiveFeed } from '../view/live-feed.ts';
import type { Advanced, SystemWatcher } from '../view/system-watch.ts';
import { nextKill, type PlannedKill } from './chaos-plan.ts';

/** After a restart, before the next process is killed where there is time: each recovery is to be seen. */
const calmMs = 2_500;

export interface Kill {
  readonly process: string;
  readonly step: MoveStep;
  readonly atMs: number;
  /** When the supervisor had started it again. */
  readonly backAtMs: number | undefined;
}

export class ChaosWatcher implements SystemWatcher {
  readonly #feed: LiveFeed;
  readonly #plan: readonly PlannedKill[];
  readonly #kill: (planned: PlannedKill) => boolean;
  readonly #allUp: () => boolean;
  readonly #done = new Set<PlannedKill>();
  #kills: readonly Kill[] = [];
  #lastRestartMs = 0;
  #moveId: string | undefined;
  #finished: FinishedMove | undefined;

  /** @param o.kill false where there is nothing to kill now */
  constructor(o: { feed: LiveFeed; plan: readonly PlannedKill[]; kill: (planned: PlannedKill) => boolean; allUp: () => boolean }) {
    this.#feed = o.feed;
    this.#plan = o.plan;
    this.#kill = o.kill;
    this.#allUp = o.allUp;
  }

  get kills(): readonly Kill[] {
    return this.#kills;
  }

  /** What of the plan did not happen. */
  get missed(): PlannedKill[] {
    return this.#plan.filter((planned) => !this.#done.has(planned));
  }

  get finished(): FinishedMove | undefined {
    return this.#finished;
  }

  onStack({ kind, name }: StackEvent): void {
    if (kind === 'restarted') {
      this.#lastRestartMs = Date.now();
      this.#kills = this.#kills.map((kill) =>
        kill.process === name && kill.backAtMs === undefined ? { ...kill, backAtMs: this.#lastRestartMs } : kill,
      );
    }
  }

  onAdvanced(event: Advanced, at: Date): void {
    this.#feed.onAdvanced(event, at);
    this.#moveId ??= event.moveId;
    const planned = event.moveId === this.#moveId ? nextKill(this.#plan, this.#done, event.step) : undefined;
    if (planned === undefined || (event.step === 'wait-sync' && !this.#isCalm(event))) {
      return;
    }
    this.#done.add(planned);
    setTimeout(() => {
      if (this.#kill(planned)) {
        this.#kills = [...this.#kills, { process: planned.process, step: event.step, atMs: Date.now(), backAtMs: undefined }];
      } else {
        this.#done.delete(planned);
      }
    }, planned.afterMs);
  }

  onFinished(move: FinishedMove, at: Date): void {
    this.#feed.onFinished(move, at);
    if (move.moveId === this.#moveId) {
      this.#finished = move;
    }
  }

  onVolumes(volumes: readonly VolumeView[]): void {
    this.#feed.onVolumes(volumes);
  }

  onMoves(moves: { readonly open: readonly MoveView[]; readonly finished: readonly MoveView[] }): void {
    this.#feed.onMoves(moves);
    // The message of its end may have been missed while NATS was down.
    const ended = moves.finished.find(({ moveId }) => moveId === this.#moveId);
    if (ended?.result !== undefined && ended.finishedAt !== undefined) {
      this.#finished ??= { ...ended, result: ended.result, finishedAt: ended.finishedAt, triggerIops: 0 };
    }
  }

  onStale(why: string | undefined): void {
    this.#feed.onStale(why);
  }

  /** In the middle of the copy, with everything running for a moment. */
  #isCalm({ syncPercent = 0 }: Advanced): boolean {
    return syncPercent > 0 && this.#allUp() && Date.now() - this.#lastRestartMs > calmMs;
  }
}
