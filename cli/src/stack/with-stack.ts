/** Runs the local stack for as long as `during` lasts, and follows it meanwhile. Whatever happens, everything is stopped in the end. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { watchVerification } from '../client/watch-verification.ts';
import type { LiveFeed } from '../view/live-feed.ts';
import type { SystemWatcher } from '../view/system-watch.ts';
import { type OpenStackInput, openStack } from './open-stack.ts';
import type { StackEvent } from './progress.ts';
import type { Stack } from './stack.ts';

const processLookMs = 500;

export interface WithStackInput extends Omit<OpenStackInput, 'tell'> {
  readonly feed: LiveFeed;
  /** Follows the system too. Default: the feed alone. */
  readonly watcher?: SystemWatcher;
  /** Told what the feed is told of the processes. */
  readonly onStack?: (event: StackEvent) => void;
  /** Called before anything is stopped. */
  readonly onStopping: () => void;
}

/** @returns what `during` resolved with, and how long the start and the stop took */
export async function withStack<T>(
  o: WithStackInput,
  during: (stack: Stack, startedMs: number, bus: Bus) => Promise<T>,
): Promise<{ result: T; stopMs: number }> {
  const { feed } = o;
  const beganMs = performance.now();
  // What follows the system is a second's worth of modules: they are loaded while the services start, not before.
  const [{ stack, close }, { watchSystem }] = await Promise.all([
    openStack({
      ...o,
      tell: (event) => {
        feed.onStack(event);
        o.onStack?.(event);
      },
    }),
    import('../view/system-watch.ts'),
  ]);
  const ends: (() => Promise<void>)[] = [];
  let stopBeganMs = 0;
  let result: T;
  try {
    feed.onProcesses(stack.processes);
    const timer = setInterval(() => feed.onProcesses(stack.processes), processLookMs);
    ends.push(async () => clearInterval(timer));
    const verification = watchVerification({ adminUrl: stack.addresses.adminUrl, onVerification: (found) => feed.onVerification(found) });
    ends.push(() => verification.stop());
    const watch = await watchSystem({ natsUrl: stack.addresses.natsUrl, watcher: o.watcher ?? feed });
    ends.push(() => watch.stop());
    result = await during(stack, performance.now() - beganMs, watch.bus);
  } finally {
    o.onStopping();
    stopBeganMs = performance.now();
    await Promise.all(ends.map((end) => end()));
    await close();
  }
  return { result, stopMs: performance.now() - stopBeganMs };
}
