/** What the outside world tells a process: signals, the end of its standard input, and its own uncaught errors. */
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';

/** Set to 1 by a supervisor that holds the other end of standard input: then its death stops us too, and leaves no orphan. */
export const stopOnStdinEofVariable = 'COUCHESTOR_STOP_ON_STDIN_EOF';

/** How long leftovers may keep the process alive after everything was stopped. */
const lingerMs = 1_000;

/**
 * The first SIGINT or SIGTERM stops in order, the second one exits at once. Anything uncaught is logged and ends the process with 1: its state
 * is unknown then, and every flow recovers from a crash anyway. Returns what undoes this; after it, whatever still keeps the process alive is
 * given a moment and then cut off.
 */
export function stopOnProcessEvents(o: { lifecycle: Lifecycle; logger: Logger; env: NodeJS.ProcessEnv }): () => void {
  const { lifecycle, logger } = o;
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) {
      logger.warn({ signal }, 'second signal: exiting at once');
      process.exit(1);
    }
    void lifecycle.stop(signal);
  };
  const onUncaught = (err: unknown): void => {
    logger.fatal({ err }, 'uncaught error: exiting');
    process.exit(1);
  };
  const onInputEnd = (): void => void lifecycle.stop('standard input was closed');

  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
  if (o.env[stopOnStdinEofVariable] === '1') {
    process.stdin.resume();
    process.stdin.once('end', onInputEnd);
    process.stdin.once('error', onInputEnd);
  }
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    process.off('uncaughtException', onUncaught);
    process.off('unhandledRejection', onUncaught);
    process.stdin.off('end', onInputEnd);
    process.stdin.off('error', onInputEnd);
    process.stdin.pause();
    setTimeout(() => {
      logger.warn({ open: process.getActiveResourcesInfo().join(',') }, 'something still keeps the process alive: exiting');
      process.exit(process.exitCode);
    }, lingerMs).unref();
  };
}
