/** The stack of a demonstration: a fresh cluster, somebody who watches and interferes, and Ctrl-C. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { type Layout, shippedFile } from '../stack/layout.ts';
import type { StackEvent } from '../stack/progress.ts';
import type { Stack } from '../stack/stack.ts';
import { stopOnSignals } from '../stack/stop-signal.ts';
import { withStack } from '../stack/with-stack.ts';
import { LiveFeed } from '../view/live-feed.ts';
import type { SystemWatcher } from '../view/system-watch.ts';

export interface DemoInput {
  readonly layout: Layout;
  readonly install: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly tell: (text: string, at: Date) => void;
}

export interface DemoTools<W> {
  readonly stack: Stack;
  readonly bus: Bus;
  readonly watcher: W;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Resolves with what `play` does, once everything has stopped. */
export async function withDemoStack<W extends SystemWatcher & { onStack?(event: StackEvent): void }, T>(
  o: DemoInput & { scenario: string; policies: string; withVault: boolean },
  watch: (o: { feed: LiveFeed; stack: () => Stack | undefined; say: (text: string) => void }) => W,
  play: (tools: DemoTools<W>) => Promise<T>,
): Promise<T> {
  const feed = new LiveFeed({ startedAt: new Date(), dataDir: o.layout.dataDir, onEvent: ({ at, text }) => o.tell(text, at) });
  const say = (text: string): void => o.tell(text, new Date());
  const stopping = stopOnSignals({ onFirst: () => say('stopping'), onSecond: () => process.exit(1) });
  let started: Stack | undefined;
  const watcher = watch({ feed, stack: () => started, say });
  try {
    const { result } = await withStack(
      {
        layout: o.layout,
        scenarioFrom: shippedFile(o.scenario),
        policiesFrom: shippedFile(o.policies),
        fresh: true,
        install: o.install,
        withVault: o.withVault,
        env: o.env,
        feed,
        watcher,
        onStack: (event) => watcher.onStack?.(event),
        signal: stopping.signal,
        onStopping: () => undefined,
      },
      (stack, _startedMs, bus) => {
        started = stack;
        return play({ stack, bus, watcher, say, signal: stopping.signal });
      },
    );
    return result;
  } finally {
    stopping.detach();
  }
}
