/** What happened to a move, in one line. */
import type { FinishedMove, migrationAdvanced } from '@couchestor/shared/contracts/migration';
import { formatDuration } from '@couchestor/shared/duration';
import type { z } from 'zod';
import { oneLine } from '../terminal/text-width.ts';

type Advanced = z.infer<typeof migrationAdvanced.payload>;
type NameOf = (volumeId: string) => string;

export function advancedLine(event: Advanced, nameOf: NameOf): string {
  const replica = event.replicas > 1 ? ` (replica ${event.replica} of ${event.replicas})` : '';
  const sync = event.syncPercent === undefined ? '' : ` ${Math.round(event.syncPercent)} %`;
  return oneLine(`${nameOf(event.volumeId)}: ${event.step}${sync}${replica} ${event.message}`);
}

export function finishedLine(move: FinishedMove, nameOf: NameOf): string {
  const tookMs = Math.max(0, Date.parse(move.finishedAt) - Date.parse(move.startedAt));
  const head = `${nameOf(move.volumeId)}: ${move.from} → ${move.to} ${move.result.outcome}`;
  return oneLine(
    move.result.outcome === 'success' ? `${head} in ${formatDuration(tookMs)}. ${move.result.message}` : `${head}. ${move.result.message}`,
  );
}
