/** Whether this process can do its work now. */
import { describeError } from './errors.ts';
import { sleep } from './time.ts';

/** A probe that takes longer has failed: an orchestrator's own probe gives up soon after. */
const probeTimeoutMs = 2_000;

export class Health {
  readonly #probes = new Map<string, () => Promise<void>>();
  readonly #probeTimeoutMs: number;
  #serving = false;

  constructor(o: { probeTimeoutMs?: number } = {}) {
    this.#probeTimeoutMs = o.probeTimeoutMs ?? probeTimeoutMs;
  }

  /** Adds a condition of readiness: a probe that resolves while it holds and rejects, with the reason, while it does not. */
  addReadiness(name: string, probe: () => Promise<void>): void {
    if (this.#probes.has(name)) {
      throw new TypeError(`readiness "${name}" was added twice`);
    }
    this.#probes.set(name, probe);
  }

  /** False while starting and once stopping: then not ready, whatever the probes say. */
  setServing(serving: boolean): void {
    this.#serving = serving;
  }

  /** Asks all probes at once. Each check is `ok` or what is wrong. */
  async readiness(): Promise<{ ready: boolean; checks: Record<string, string> }> {
    const results = await Promise.all(
      [...this.#probes].map(async ([name, probe]) => [name, await outcomeOf(probe, this.#probeTimeoutMs)] as const),
    );
    const checks: Record<string, string> = { serving: this.#serving ? 'ok' : 'starting or stopping', ...Object.fromEntries(results) };
    return { ready: Object.values(checks).every((check) => check === 'ok'), checks };
  }
}

async function outcomeOf(probe: () => Promise<void>, timeoutMs: number): Promise<string> {
  const finished = new AbortController();
  try {
    await Promise.race([
      probe(),
      sleep(timeoutMs, finished.signal).then(() => {
        throw new Error(`no answer within ${timeoutMs} ms`);
      }),
    ]);
    return 'ok';
  } catch (error) {
    return describeError(error);
  } finally {
    finished.abort();
  }
}
