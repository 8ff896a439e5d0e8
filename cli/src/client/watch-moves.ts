/** Steps and ends of moves, as they happen, until Ctrl-C. */
import { migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { formatClock } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { advancedLine, finishedLine } from '../view/event-lines.ts';
import { allVolumes } from './find-volume.ts';
import type { Client } from './with-bus.ts';

export async function watchMoves(o: { client: Client; json: boolean; output: Output }): Promise<void> {
  const { client, json, output } = o;
  const names = new Map(json ? [] : (await allVolumes(client)).map(({ volumeId, name }) => [volumeId, name]));
  const nameOf = (volumeId: string): string => names.get(volumeId) ?? volumeId;
  const tell = (at: Date, type: string, payload: { volumeId: string }, line: string): void =>
    output.print(json ? JSON.stringify({ at: at.toISOString(), type, ...payload }) : `${formatClock(at)}  ${line}`);
  const watches = await Promise.all([
    client.bus.watchEvent(migrationAdvanced, ({ payload, publishedAt }) =>
      tell(publishedAt, 'migration.advanced', payload, advancedLine(payload, nameOf)),
    ),
    client.bus.watchEvent(migrationFinished, ({ payload, publishedAt }) =>
      tell(publishedAt, 'migration.finished', payload, finishedLine(payload, nameOf)),
    ),
  ]);
  output.note('Watching moves. Ctrl-C ends it.');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await Promise.all(watches.map((watch) => watch.stop()));
}
