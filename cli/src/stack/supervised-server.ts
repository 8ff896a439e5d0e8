/** A server beside CoucheStor (NATS, Redis, Prometheus) that is started again, on the same port and data, when it dies. */
import { describeError } from '@couchestor/shared/errors';
import type { OpenedServer } from '@couchestor/shared/servers/open';
import { sleep } from '@couchestor/shared/time';
import { restartDelayMs, wellAfterMs } from './back-off.ts';
import { identify } from './process-identity.ts';
import type { ProcessChange } from './supervised-child.ts';

const lookMs = 500;

export class SupervisedServer {
  readonly name: string;
  readonly #launch: () => Promise<OpenedServer>;
  readonly #onChange: (change: ProcessChange) => void;
  readonly #stopping = new AbortController();
  #server: OpenedServer | undefined;
  #starting: Promise<OpenedServer | undefined> = Promise.resolve(undefined);
  #watching: Promise<void> = Promise.resolve();
  #restarts = 0;

  constructor(o: { name: string; launch: () => Promise<OpenedServer>; onChange: (change: ProcessChange) => void }) {
    this.name = o.name;
    this.#launch = o.launch;
    this.#onChange = o.onChange;
  }

  /** Undefined while it is down, and where it is not a process of ours. */
  get pid(): number | undefined {
    return this.#server?.pid;
  }

  get up(): boolean {
    return this.#server !== undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves once it answers. Rejects where it cannot be started at all. */
  async start(): Promise<OpenedServer> {
    const starting = this.#launch();
    this.#starting = starting.catch(() => undefined);
    const server = await starting;
    this.#server = server;
    this.#onChange({ kind: 'started', restarts: 0 });
    if (server.pid !== undefined) {
      this.#watching = this.#watch(server.pid);
    }
    return server;
  }

  kill(signal: NodeJS.Signals): void {
    this.#server?.kill(signal);
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    // What is being started cannot be stopped yet; why it could not be started is told to whoever started it.
    const started = await this.#starting;
    await this.#watching;
    const server = this.#server ?? started;
    const force = setTimeout(() => server?.kill('SIGKILL'), graceMs);
    await server?.stop();
    clearTimeout(force);
  }

  /** Looks after the process, and after those that are started in its place. */
  async #watch(firstPid: number): Promise<void> {
    const { signal } = this.#stopping;
    let pid: number | undefined = firstPid;
    let upSinceMs = Date.now();
    let deaths = 0;
    while (!signal.aborted) {
      await sleep(lookMs, signal).catch(() => undefined);
      if (signal.aborted || (pid !== undefined && identify(pid) !== undefined)) {
        continue;
      }
      deaths = Date.now() - upSinceMs >= wellAfterMs ? 1 : deaths + 1;
      this.#server = undefined;
      this.#onChange({ kind: 'died', how: pid === undefined ? 'it did not start' : 'it ended', restartInMs: restartDelayMs(deaths) });
      await sleep(restartDelayMs(deaths), signal).catch(() => undefined);
      if (!signal.aborted) {
        upSinceMs = Date.now();
        pid = await this.#restart();
      }
    }
  }

  async #restart(): Promise<number | undefined> {
    try {
      this.#server = await this.#launch();
      this.#restarts += 1;
      this.#onChange({ kind: 'started', restarts: this.#restarts });
      return this.#server.pid;
    } catch (error) {
      this.#onChange({ kind: 'failed', why: describeError(error) });
      return undefined;
    }
  }
}
