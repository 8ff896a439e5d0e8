/** Follows the demonstration, and does the one thing that it does to the system: kills the migrator in the middle of a move. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import type { LiveFeed } from '../view/live-feed.ts';
import type { Advanced, SystemWatcher } from '../view/system-watch.ts';
import { emptyStory, type Story, withDecisions, withMove } from './story.ts';

export class DemoWatcher implements SystemWatcher {
  readonly #feed: LiveFeed;
  /** False where there is nothing to kill yet. */
  readonly #killMigrator: () => boolean;
  #story = emptyStory;
  #openMoves: number | undefined;

  constructor(o: { feed: LiveFeed; killMigrator: () => boolean }) {
    this.#feed = o.feed;
    this.#killMigrator = o.killMigrator;
  }

  get story(): Story {
    return this.#story;
  }

  /** Undefined while the migrator does not answer. */
  get openMoves(): number | undefined {
    return this.#openMoves;
  }

  onAdvanced(event: Advanced, at: Date): void {
    this.#feed.onAdvanced(event, at);
    if (this.#story.interrupted === undefined && event.step === 'wait-sync' && this.#killMigrator()) {
      this.#story = { ...this.#story, interrupted: { moveId: event.moveId, volumeId: event.volumeId } };
    }
  }

  onFinished(move: FinishedMove, at: Date): void {
    this.#feed.onFinished(move, at);
    this.#story = withMove(this.#story, move);
  }

  onVolumes(volumes: readonly VolumeView[]): void {
    this.#feed.onVolumes(volumes);
    this.#story = withDecisions(this.#story, volumes);
  }

  onMoves(moves: { readonly open: readonly MoveView[]; readonly finished: readonly MoveView[] }): void {
    this.#feed.onMoves(moves);
    this.#openMoves = moves.open.length;
  }

  onStale(why: string | undefined): void {
    this.#feed.onStale(why);
    this.#openMoves = why === undefined ? this.#openMoves : undefined;
  }
}
