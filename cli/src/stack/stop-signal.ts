/** Ctrl-C, once: stop in order. Twice: at once. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** npm and a shell may each pass the same Ctrl-C on: what follows within this time is the same one. */
const sameSignalMs = 1_000;

export interface StopSignal {
  readonly signal: AbortSignal;
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
  detach(): void;
}

export function stopOnSignals(o: { onFirst: () => void; onSecond: () => void }): StopSignal {
  const controller = new AbortController();
  const { signal } = controller;
  let firstAtMs: number | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (firstAtMs === undefined) {
      firstAtMs = performance.now();
      o.onFirst();
      controller.abort(new Error(`stopped by ${name}`));
    } else if (performance.now() - firstAtMs > sameSignalMs) {
      o.onSecond();
    }
  };
  for (const name of stopSignals) {
    process.on(name, onSignal);
  }
  return {
    signal,
    stopped: new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    detach: () => {
      for (const name of stopSignals) {
        process.off(name, onSignal);
      }
    },
  };
}
