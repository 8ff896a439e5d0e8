/** Whether this process can do its work now. */
import { describeError } from './errors.ts';
import { sleep } from './time.ts';

/** A probe that takes longer has failed: an orchestrator's own probe gives up soon after. */
const probeTimeoutMs = 2_000;

/** Resolves while its condition holds, with a string where there is something to remark; rejects, with the reason, while it does not. */
type Probe = () => Promise<unknown>;

export class Health {
  readonly #probes = new Map<string, Probe>();
  readonly #probeTimeoutMs: number;
  #serving = false;

  constructor(o: { probeTimeoutMs?: number } = {}) {
    this.#probeTimeoutMs = o.probeTimeoutMs ?? probeTimeoutMs;
  }

  /** Adds a condition of readiness. */
  addReadiness(name: string, probe: Probe): void {
    if (this.#probes.has(name)) {
      throw new TypeError(`readiness "${name}" was added twice`);
    }
    this.#probes.set(name, probe);
  }

  /** False while starting and once stopping: then not ready, whatever the probes say. */
  setServing(serving: boolean): void {
    this.#serving = serving;
  }

  /** Asks all probes at once. Each check is `ok`, `ok: ` and a remark, or what is wrong. */
  async readiness(): Promise<{ ready: boolean; checks: Record<string, string> }> {
    const results = await Promise.all(
      [...this.#probes].map(async ([name, probe]) => [name, await outcomeOf(probe, this.#probeTimeoutMs)] as const),
    );
    const serving = { ok: this.#serving, says: this.#serving ? 'ok' : 'starting or stopping' };
    const outcomes = [['serving', serving] as const, ...results];
    return {
      ready: outcomes.every(([, { ok }]) => ok),
      checks: Object.fromEntries(outcomes.map(([name, { says }]) => [name, says])),
    };
  }
}

async function outcomeOf(probe: Probe, timeoutMs: number): Promise<{ ok: boolean; says: string }> {
  const finished = new AbortController();
  try {
    const remark = await Promise.race([
      probe(),
      sleep(timeoutMs, finished.signal).then(() => {
        throw new Error(`no answer within ${timeoutMs} ms`);
      }),
    ]);
    return { ok: true, says: typeof remark === 'string' ? `ok: ${remark}` : 'ok' };
  } catch (error) {
    return { ok: false, says: describeError(error) };
  } finally {
    finished.abort();
  }
}
