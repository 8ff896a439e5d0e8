/** Keeps the live view's state in step with the running system, and tells each thing worth a line as it happens. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { FinishedMove } from '@couchestor/shared/contracts/migration';
import type { MoveView } from '@couchestor/shared/contracts/migrator';
import type { StackEvent } from '../stack/progress.ts';
import type { ProcessState } from '../stack/stack.ts';
import { advancedLine, finishedLine } from './event-lines.ts';
import { emptyLiveState, type LiveEvent, type LiveState, newlyBlocked, toneOf, withEvent, withFinished } from './live-state.ts';
import type { Advanced, SystemWatcher } from './system-watch.ts';

export class LiveFeed implements SystemWatcher {
  readonly #onEvent: (event: LiveEvent) => void;
  #state: LiveState;
  /** Rebuild progress comes often; only a new step is worth a line. */
  readonly #lastSteps = new Map<string, string>();

  constructor(o: { startedAt: Date; dataDir: string; onEvent: (event: LiveEvent) => void }) {
    this.#state = emptyLiveState(o);
    this.#onEvent = o.onEvent;
  }

  get state(): LiveState {
    return this.#state;
  }

  onStack({ kind, text }: StackEvent): void {
    this.#tell({ at: new Date(), text, tone: kind === 'died' ? 'bad' : kind === 'restarted' ? 'good' : 'plain' });
  }

  onProcesses(processes: readonly ProcessState[]): void {
    this.#state = { ...this.#state, processes };
  }

  onVerification(verification: LiveState['verification']): void {
    this.#state = { ...this.#state, verification };
  }

  onAdvanced(event: Advanced, at: Date): void {
    const step = `${event.step} ${event.replica}`;
    if (this.#lastSteps.get(event.moveId) !== step) {
      this.#lastSteps.set(event.moveId, step);
      this.#tell({ at, text: advancedLine(event, this.#nameOf), tone: 'plain' });
    }
  }

  onFinished(move: FinishedMove, at: Date): void {
    this.#lastSteps.delete(move.moveId);
    this.#state = withFinished(this.#state, move);
    this.#tell({ at, text: finishedLine(move, this.#nameOf), tone: toneOf(move.result.outcome) });
  }

  onVolumes(volumes: readonly VolumeView[]): void {
    const blocked = newlyBlocked(this.#state.volumes, volumes);
    this.#state = { ...this.#state, volumes };
    for (const text of blocked) {
      this.#tell({ at: new Date(), text, tone: 'note' });
    }
  }

  onMoves({ open, finished }: { readonly open: readonly MoveView[]; readonly finished: readonly MoveView[] }): void {
    this.#state = { ...this.#state, open, finished };
  }

  onStale(stale: string | undefined): void {
    this.#state = { ...this.#state, stale };
  }

  readonly #nameOf = (volumeId: string): string => this.#state.volumes.find((volume) => volume.volumeId === volumeId)?.name ?? volumeId;

  #tell(event: LiveEvent): void {
    this.#state = withEvent(this.#state, event);
    this.#onEvent(event);
  }
}
