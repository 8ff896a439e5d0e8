/**
 * Follows a running system through its public ports: events as they come, volumes and moves by asking once a second. What does not answer is
 * told as stale and asked again; it never ends the watch.
 */
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { listVolumes, type VolumeView } from '@couchestor/shared/contracts/brain';
import { type FinishedMove, migrationAdvanced, migrationFinished } from '@couchestor/shared/contracts/migration';
import { listMoves, type MoveView } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import { createLogger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { z } from 'zod';

const pollMs = 1_000;
const askTimeoutMs = 2_000;
/** The most volumes that the live view follows; `couchestor volumes` shows all. */
const volumesMax = 400;
const finishedShown = 10;

export type Advanced = z.infer<typeof migrationAdvanced.payload>;

export interface SystemWatcher {
  onAdvanced(event: Advanced, at: Date): void;
  onFinished(event: FinishedMove, at: Date): void;
  onVolumes(volumes: readonly VolumeView[]): void;
  onMoves(moves: { readonly open: readonly MoveView[]; readonly finished: readonly MoveView[] }): void;
  /** Undefined once everything answers again. */
  onStale(why: string | undefined): void;
}

export interface SystemWatch {
  readonly bus: Bus;
  stop(): Promise<void>;
}

export async function watchSystem(o: { natsUrl: string; watcher: SystemWatcher }): Promise<SystemWatch> {
  const { watcher } = o;
  const silent = createLogger({ name: 'cli', level: 'error', json: false, to: { write: () => undefined } });
  const bus = await connectBus({ url: o.natsUrl, name: 'cli', logger: silent });
  const watches = await Promise.all([
    bus.watchEvent(migrationAdvanced, ({ payload, publishedAt }) => watcher.onAdvanced(payload, publishedAt)),
    bus.watchEvent(migrationFinished, ({ payload, publishedAt }) => watcher.onFinished(payload, publishedAt)),
  ]);
  const ended = new AbortController();
  const polling = poll({ bus, watcher, signal: ended.signal });
  return {
    bus,
    stop: async () => {
      ended.abort();
      await polling;
      await Promise.all(watches.map((watch) => watch.stop()));
      await bus.close();
    },
  };
}

async function poll(o: { bus: Bus; watcher: SystemWatcher; signal: AbortSignal }): Promise<void> {
  const { bus, watcher, signal } = o;
  while (!signal.aborted) {
    const [volumes, moves] = await Promise.allSettled([
      bus.call(listVolumes, { limit: volumesMax }, { timeoutMs: askTimeoutMs }),
      bus.call(listMoves, { finishedLimit: finishedShown }, { timeoutMs: askTimeoutMs }),
    ]);
    if (signal.aborted) {
      return;
    }
    if (volumes.status === 'fulfilled') {
      watcher.onVolumes(volumes.value.volumes);
    }
    if (moves.status === 'fulfilled') {
      watcher.onMoves(moves.value);
    }
    watcher.onStale(whyStale({ 'policy-brain': volumes, migrator: moves }));
    await sleep(pollMs, signal).catch(() => undefined);
  }
}

function whyStale(answers: Readonly<Record<string, PromiseSettledResult<unknown>>>): string | undefined {
  const failed = Object.entries(answers).flatMap(([name, answer]) =>
    answer.status === 'rejected' ? [`${name}: ${describeError(answer.reason)}`] : [],
  );
  return failed.length === 0 ? undefined : failed.join('; ');
}
