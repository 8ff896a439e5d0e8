/** The control plane's state as one JSON file, replaced as a whole, with a version. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Cluster } from '../domain/cluster.ts';
import type { Load } from '../domain/load.ts';
import type { Scenario } from '../domain/scenario.ts';
import { SimulatorError } from '../errors.ts';

/** Raised with every change of the shape of `Cluster` that older files do not have. */
const formatVersion = 1;

const storedSchema = z.object({
  format: z.literal(formatVersion),
  scenario: z.string(),
  cluster: z.looseObject({ nowMs: z.number(), volumes: z.looseObject({}), replicas: z.looseObject({}) }),
  loads: z.record(z.string(), z.object({ phases: z.array(z.unknown()), repeats: z.enum(['last', 'all']), startedAtMs: z.number() })),
});

export interface StoredState {
  readonly cluster: Cluster;
  readonly loads: Record<string, Load>;
}

export class ClusterStore {
  readonly #path: string;
  readonly #lockPath: string;
  readonly #scenario: string;

  constructor(folder: string, scenario: Scenario) {
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, 'cluster.json');
    this.#lockPath = join(folder, 'owner.pid');
    this.#scenario = createHash('sha256').update(JSON.stringify(scenario)).digest('hex');
  }

  /** Takes the folder for this process. A dead owner's claim is void. */
  claim(): void {
    if (existsSync(this.#lockPath)) {
      const owner = readFileSync(this.#lockPath, 'utf8');
      const pid = Number.parseInt(owner, 10);
      if (pid !== process.pid && isAlive(pid) && owner === processIdentity(pid)) {
        throw new SimulatorError('STATE_BUSY', { file: this.#lockPath, pid });
      }
      rmSync(this.#lockPath, { force: true });
    }
    const fd = openSync(this.#lockPath, 'wx');
    writeSync(fd, processIdentity(process.pid));
    closeSync(fd);
  }

  release(): void {
    rmSync(this.#lockPath, { force: true });
  }

  load(): StoredState | undefined {
    if (!existsSync(this.#path)) {
      return undefined;
    }
    const stored = this.#parse(readFileSync(this.#path, 'utf8'));
    if (stored.scenario !== this.#scenario) {
      throw new SimulatorError('STATE_FOREIGN', { file: this.#path });
    }
    // Written by this same program and format: the shape beyond what was checked is ours.
    return stored as unknown as StoredState;
  }

  save(state: StoredState): void {
    const next = `${this.#path}.next`;
    writeFileSync(next, JSON.stringify({ format: formatVersion, scenario: this.#scenario, ...state }));
    renameSync(next, this.#path);
  }

  #parse(text: string): z.infer<typeof storedSchema> {
    try {
      return storedSchema.parse(JSON.parse(text));
    } catch (error) {
      throw new SimulatorError('STATE_INVALID', { file: this.#path }, { cause: error });
    }
  }
}

/** The pid and, where the system tells it, when that process began: pids are used again. */
export function processIdentity(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
    return `${pid} ${fields?.[19] ?? ''}`;
  } catch {
    return String(pid);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
