/**
 * The act of the vault: a volume is written through NBD, two of the six drives go, and their files with them; everything is read back and compared
 * with what was written, while the drives lack and after they have been rebuilt.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { apiSocketOf } from '@couchestor/ec-encoder/config';
import type { Operation, OperationResult, VaultStatus } from '@couchestor/shared/contracts/vault';
import { sleep } from '@couchestor/shared/time';
import { VaultClient } from '@couchestor/shared/vault-client';
import type { Layout } from '../stack/layout.ts';
import { formatBytes, formatCount } from '../terminal/format.ts';
import { CheckedVolume } from './checked-volume.ts';
import type { VaultReport } from './verdict.ts';

const volumeName = 'demo';
const snapshotName = 'whole';
const volumeBytes = 96 * 2 ** 20;
const smallWrites = 1_500;
const smallWritesDegraded = 300;
const callTimeoutMs = 10_000;
const operationTimeoutMs = 40_000;
const lookMs = 100;
/** Progress is told each time so much more is done. */
const percentStep = 25;

interface ActInput {
  readonly layout: Layout;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export async function playVaultAct(o: ActInput): Promise<VaultReport> {
  const client = new VaultClient({ at: { unixPath: apiSocketOf(o.layout.vaultDir) }, timeoutMs: callTimeoutMs });
  try {
    return await new VaultAct(o, client).play();
  } finally {
    await client.close();
  }
}

class VaultAct {
  readonly #o: ActInput;
  readonly #client: VaultClient;
  #bytesVerified = 0;
  #mismatches = 0;

  constructor(o: ActInput, client: VaultClient) {
    this.#o = o;
    this.#client = client;
  }

  async play(): Promise<VaultReport> {
    const beganMs = performance.now();
    await this.#client.createVolume({ name: volumeName, sizeBytes: volumeBytes });
    const volume = await this.#open(volumeName);
    try {
      const { bytes, bytesPerSecond } = await volume.fill();
      await volume.writeBlocks(smallWrites);
      this.#say(`wrote ${formatBytes(bytes)} through NBD at ${formatBytes(bytesPerSecond)}/s, and ${formatCount(smallWrites)} blocks anew`);
      const atSnapshot = volume.copyOfExpected();
      await this.#client.snapshot({ volume: volumeName, name: snapshotName });

      const lost = await this.#loseDrives();
      await this.#verify(volume, 'with two drives gone');
      const { reconstructions } = await this.#client.status();
      this.#say(`${formatCount(reconstructions)} times the bytes of a lost shard were computed from the others`);
      await volume.writeBlocks(smallWritesDegraded);
      this.#say(`wrote ${formatCount(smallWritesDegraded)} blocks more, with two drives gone`);

      const rebuilt = await this.#replace(lost);
      const status = await this.#untilWhole();
      this.#say(`rebuilt: ${status.survives.sentence}`);
      const checked = await this.#follow(await this.#client.begin('verify'), 'verifying every shard');
      await this.#verify(volume, 'after the rebuild');
      const snapshot = await this.#open(`${volumeName}@${snapshotName}`, atSnapshot);
      await this.#verify(snapshot, 'of the snapshot').finally(() => snapshot.close());
      return {
        bytesWritten: volume.bytesWritten,
        bytesVerified: this.#bytesVerified,
        mismatches: this.#mismatches,
        drivesFailed: lost.length,
        reconstructions,
        stripesRebuilt: rebuilt.reduce((sum, { stripesRebuilt }) => sum + (stripesRebuilt ?? 0), 0),
        survives: status.survives.sentence,
        seconds: Math.round((performance.now() - beganMs) / 100) / 10,
        problems: this.#problems({ status, checked, reconstructions }),
      };
    } finally {
      await volume.close();
    }
  }

  #say(text: string): void {
    this.#o.say(`vault: ${text}`);
  }

  #open(name: string, expected?: Buffer): Promise<CheckedVolume> {
    const { layout, signal } = this.#o;
    return CheckedVolume.open({ unixPath: layout.nbdSocket, name, signal, ...(expected === undefined ? {} : { expected }) });
  }

  /** Told to fail, and their files removed: nothing can be read from them any more. */
  async #loseDrives(): Promise<number[]> {
    const drives = await this.#client.listDrives();
    const lost = [drives[1], drives[4]].filter((drive) => drive !== undefined);
    for (const { number, path } of lost) {
      await this.#client.failDrive(number);
      await rm(path, { recursive: true, force: true });
    }
    this.#say(`drives ${lost.map(({ number }) => number).join(' and ')} of ${drives.length} failed, and their files are removed`);
    return lost.map(({ number }) => number);
  }

  async #verify(volume: CheckedVolume, when: string): Promise<void> {
    const { bytes, bytesPerSecond, wrongBlocks } = await volume.verify();
    this.#bytesVerified += bytes;
    this.#mismatches += wrongBlocks;
    this.#say(`read ${formatBytes(bytes)} ${when} at ${formatBytes(bytesPerSecond)}/s: ${formatCount(wrongBlocks)} wrong blocks`);
  }

  /** All new drives come first: a shard goes to a drive that has none of its stripe yet. */
  async #replace(lost: readonly number[]): Promise<OperationResult[]> {
    for (const number of lost) {
      await this.#client.addDrive({ path: join(this.#o.layout.drivesDir, `${number}-new`) });
    }
    const results: OperationResult[] = [];
    for (const number of lost) {
      results.push(await this.#follow(await this.#client.drainDrive(number), `rebuilding what was on drive ${number}`));
    }
    return results;
  }

  async #follow(begun: Operation, what: string): Promise<OperationResult> {
    const deadlineMs = performance.now() + operationTimeoutMs;
    let told = 0;
    for (let seen = begun; ; seen = await this.#client.operation(begun.id)) {
      if (seen.phase === 'done' && seen.result !== undefined) {
        return seen.result;
      }
      if (seen.error !== undefined || performance.now() > deadlineMs) {
        throw new Error(`${what}: ${seen.error?.message ?? `took more than ${operationTimeoutMs / 1_000} s`}`);
      }
      const percent = seen.total > 0 ? (seen.done / seen.total) * 100 : 0;
      if (percent >= told + percentStep) {
        told = percent - (percent % percentStep);
        this.#say(`${what}: ${told} %`);
      }
      await sleep(lookMs, this.#o.signal);
    }
  }

  /** What was written meanwhile is healed too. */
  async #untilWhole(): Promise<VaultStatus> {
    const deadlineMs = performance.now() + operationTimeoutMs;
    for (;;) {
      const status = await this.#client.status();
      if (status.stripes.degraded + status.stripes.lost === 0 || performance.now() > deadlineMs) {
        return status;
      }
      await sleep(lookMs, this.#o.signal);
    }
  }

  #problems(o: { status: VaultStatus; checked: OperationResult; reconstructions: number }): string[] {
    const { stripes, survives, policy } = o.status;
    return [
      ...(this.#mismatches > 0 ? [`${this.#mismatches} blocks of the vault's volume were not what was written`] : []),
      ...(o.reconstructions === 0 ? ['the vault computed no lost shard, though two drives were gone'] : []),
      ...(stripes.degraded + stripes.lost > 0
        ? [`after the rebuild ${stripes.degraded} stripes are degraded and ${stripes.lost} are lost`]
        : []),
      ...(survives.drives < policy.parityShards ? [`after the rebuild the vault ${survives.sentence}`] : []),
      ...((o.checked.errorsFound ?? 0) + (o.checked.stripesLost ?? 0) > 0 ? [`the vault's own verification: ${o.checked.message}`] : []),
    ];
  }
}
