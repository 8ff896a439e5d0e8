/** The open moves of the whole cluster, followed in memory: for metrics, where a reading of the bucket on each scrape would be too much. */
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import type { Journal } from './journal.ts';

export async function followOpenMoves(
  journal: Journal,
): Promise<{ readonly moves: ReadonlyMap<string, MoveRecord>; stop(): Promise<void> }> {
  const moves = new Map<string, MoveRecord>();
  const watch = await journal.open.watch(({ key, entry }) => {
    if (entry === undefined) {
      moves.delete(key);
    } else {
      moves.set(key, entry.value);
    }
  });
  return { moves, stop: () => watch.stop() };
}
