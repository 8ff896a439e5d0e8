/** What the supervisor tells while it works. */
import type { ProcessChange } from './supervised-child.ts';

export interface StackEvent {
  readonly kind: 'progress' | 'died' | 'restarted';
  /** The process that it is about, where it is about one. */
  readonly name?: string;
  readonly text: string;
}

export type Tell = (event: StackEvent) => void;

/** A first start is told when it is ready. */
export function tellChange(tell: Tell, name: string, change: ProcessChange): void {
  switch (change.kind) {
    case 'died':
      tell({ kind: 'died', name, text: `${name} died (${change.how}); starting it again in ${change.restartInMs} ms` });
      break;
    case 'failed':
      tell({ kind: 'died', name, text: `${name} could not be started again: ${change.why}` });
      break;
    case 'started':
      if (change.restarts > 0) {
        tell({ kind: 'restarted', name, text: `${name} runs again` });
      }
  }
}
