/**
 * Clients and troubles at once: fio writes and verifies one volume, another one with known bytes is read from end to end again and again, and
 * meanwhile drives fail, rot, hang and are replaced. Nothing but what was written may ever be read, and no client may see an error.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { randomOf } from '../../torture/random.ts';
import { fioBytes, fioRound } from './fio-round.ts';
import { runClient } from './run-client.ts';
import { trouble, troubleNames } from './troubles.ts';
import { VaultProcess } from './vault-process.ts';

const mebibyte = 2 ** 20;
const drives = 8;
const stillMib = 24;
const jobMib = 12;

export interface TortureVolumesInput {
  readonly seed: number;
  /** The troubles that are had, in this order; after the last the first comes again, until the time is over. */
  readonly troubles?: readonly string[];
  /** New troubles begin until then. Default: each once. */
  readonly forMs?: number;
  readonly holdMs: number;
  readonly tell: (line: string) => void;
}

export interface TortureVolumesResult {
  readonly violations: readonly string[];
  readonly troubles: Readonly<Record<string, number>>;
  readonly fioRounds: number;
  readonly writtenBytes: number;
  readonly verifiedBytes: number;
  readonly trimmedBytes: number;
  /** Of the volume with known bytes: how often all of it was read. */
  readonly stillReads: number;
  readonly reconstructions: number;
  readonly checksumErrors: number;
  readonly seconds: number;
}

export async function tortureVolumes(o: TortureVolumesInput): Promise<TortureVolumesResult> {
  const vault = await VaultProcess.start({
    drives,
    journalCopies: 2,
    spec: {
      journalConfig: { journalSizeBytes: 16_777_216, replicationFactor: 2, destageThresholdPercent: 50, destageInterval: '1s' },
    },
    flags: ['--rebuild-mib-per-second', '1000', '--scrub-mib-per-second', '1000'],
  });
  try {
    return await new VolumesTorture(vault, o).run();
  } finally {
    await vault.remove();
  }
}

class VolumesTorture {
  readonly #vault: VaultProcess;
  readonly #o: TortureVolumesInput;
  readonly #violations: string[] = [];
  readonly #counts: Record<string, number> = {};
  #isOver = false;
  #fioRounds = 0;
  #writtenBytes = 0;
  #verifiedBytes = 0;
  #trimmedBytes = 0;
  #stillReads = 0;

  constructor(vault: VaultProcess, o: TortureVolumesInput) {
    this.#vault = vault;
    this.#o = o;
  }

  async run(): Promise<TortureVolumesResult> {
    const vault = this.#vault;
    const beganMs = performance.now();
    await mkdir(join(vault.dir, 'clients'));
    await vault.client.createVolume({ name: 'busy', sizeBytes: fioBytes(jobMib) });
    await vault.client.createVolume({ name: 'still', sizeBytes: stillMib * mebibyte });
    const still = join(vault.dir, 'clients', 'still');
    await writeFile(still, randomBytes(stillMib * mebibyte));
    await runClient('nbdcopy', [still, vault.uri('still')]);
    const clients = [this.#fioLoop(), this.#stillLoop(await hashOf(still))];
    await this.#haveTroubles();
    this.#isOver = true;
    await Promise.all(clients);
    await this.#lookAtTheEnd();
    const { reconstructions, checksumErrors } = await vault.status();
    return {
      violations: this.#violations,
      troubles: this.#counts,
      fioRounds: this.#fioRounds,
      writtenBytes: this.#writtenBytes,
      verifiedBytes: this.#verifiedBytes,
      trimmedBytes: this.#trimmedBytes,
      stillReads: this.#stillReads,
      reconstructions,
      checksumErrors,
      seconds: Math.round((performance.now() - beganMs) / 1_000),
    };
  }

  async #haveTroubles(): Promise<void> {
    const { troubles = troubleNames, forMs, seed, holdMs, tell } = this.#o;
    const random = randomOf(seed);
    const untilMs = performance.now() + (forMs ?? 0);
    for (let turn = 0; turn < troubles.length || performance.now() < untilMs; turn += 1) {
      if ((forMs !== undefined && performance.now() >= untilMs) || this.#violations.length > 0) {
        return;
      }
      const name = troubles[turn % troubles.length] ?? '';
      const beganMs = performance.now();
      try {
        const did = await trouble(name, { vault: this.#vault, random, holdMs });
        this.#counts[name] = (this.#counts[name] ?? 0) + 1;
        const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
        tell(`${did}; well again after ${seconds} s; ${this.#fioRounds} rounds of fio, ${this.#stillReads} reads of what is still`);
      } catch (error) {
        this.#violate(`${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  async #fioLoop(): Promise<void> {
    const vault = this.#vault;
    for (let round = 0; !this.#isOver && this.#violations.length === 0; round += 1) {
      const result = await fioRound({
        uris: [vault.uri('busy', 'unix'), vault.uri('busy', 'tcp')],
        seed: this.#o.seed * 1_000 + round * 10,
        jobMib,
        dir: join(vault.dir, 'clients'),
      });
      result.complaints.forEach((complaint) => this.#violate(`fio: ${complaint}`));
      this.#fioRounds += 1;
      this.#writtenBytes += result.writtenBytes;
      this.#verifiedBytes += result.readBytes;
      this.#trimmedBytes += result.trimmedBytes;
    }
  }

  async #stillLoop(wanted: string): Promise<void> {
    const vault = this.#vault;
    while (!this.#isOver && this.#violations.length === 0) {
      await this.#readStill(wanted);
      // It is there to be right, not to take the processor from fio.
      await delay(500);
    }
    await this.#readStill(wanted);
    await rm(join(vault.dir, 'clients', 'seen'), { force: true });
  }

  async #readStill(wanted: string): Promise<void> {
    const seen = join(this.#vault.dir, 'clients', 'seen');
    try {
      await runClient('nbdcopy', ['--connections=2', this.#vault.uri('still', 'tcp'), seen]);
      if ((await hashOf(seen)) !== wanted) {
        this.#violate('what nobody changed reads otherwise than it was written');
      }
      this.#stillReads += 1;
    } catch (error) {
      this.#violate(`reading what nobody changes: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Everything that volumes point at is read once more, by the vault itself. */
  async #lookAtTheEnd(): Promise<void> {
    const vault = this.#vault;
    try {
      await vault.untilHealthy();
      const verified = await vault.finish(await vault.client.begin('verify'));
      if (verified.errorsFound !== 0 || (verified.stripesLost ?? 0) !== 0) {
        this.#violate(`verify: ${JSON.stringify(verified)}`);
      }
      const { ready } = (await vault.readiness()) ?? { ready: false };
      if (!ready || !vault.isRunning) {
        this.#violate('the vault is not ready at the end');
      }
    } catch (error) {
      this.#violate(`the end: ${error instanceof Error ? error.message : error}`);
    }
  }

  #violate(what: string): void {
    this.#violations.push(what);
    this.#o.tell(`VIOLATION: ${what}`);
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
