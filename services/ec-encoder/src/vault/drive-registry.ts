/** The drives of a vault as its operator sees them: what adds, fails and replaces them, and what each does. */
import { isAbsolute, resolve } from 'node:path';
import type { DriveStatus } from '@couchestor/shared/contracts/vault';
import { describeError } from '@couchestor/shared/errors';
import type { Drive } from '../adapters/drive/drive.ts';
import type { IndexStore } from '../adapters/index/index-store.ts';
import { type DriveRow, putDrive } from '../domain/catalog.ts';
import type { DriveSet } from './drive-set.ts';
import { VaultError } from './errors.ts';
import { type MissingDrive, makeDrive, type OpenDrivesDeps, reopenDrive } from './open-drives.ts';
import type { GivenDrive } from './vault-api.ts';

/** Of what the contract calls a sentence. */
const reasonLengthMax = 500;

export interface DriveRegistryDeps extends OpenDrivesDeps {
  readonly index: IndexStore;
  readonly drives: DriveSet;
  readonly catalogChanged: () => Promise<void>;
  /** A drive came, went, or changed its state. */
  readonly onChange: (drive: Drive | undefined, reason: string) => void;
}

export class DriveRegistry {
  readonly #deps: DriveRegistryDeps;
  readonly #missing = new Map<number, MissingDrive>();
  /** Why each is not online. */
  readonly #reasons = new Map<number, string>();
  #adding: Promise<unknown> = Promise.resolve();

  constructor(deps: DriveRegistryDeps, opened: { drives: readonly Drive[]; missing: readonly MissingDrive[] }) {
    this.#deps = deps;
    for (const drive of opened.drives) {
      this.#adopt(drive);
    }
    for (const one of opened.missing) {
      this.#missing.set(one.row.number, one);
    }
  }

  list(): readonly DriveStatus[] {
    const { index, drives } = this.#deps;
    return index.catalog.drives
      .filter(({ state }) => state !== 'removed')
      .map((row) => {
        const drive = drives.get(row.number);
        return drive === undefined ? this.#statusOfMissing(row) : this.#statusOf(drive);
      });
  }

  /** Tries again what could not be opened. True where something came back. */
  async retryMissing(): Promise<boolean> {
    let found = false;
    for (const [number, { row, given }] of this.#missing) {
      try {
        const drive = await reopenDrive(row, given, this.#deps);
        this.#missing.delete(number);
        this.#adopt(drive);
        this.#deps.onChange(drive, 'the drive is back');
        found = true;
      } catch (error) {
        this.#missing.set(number, { row, given, reason: describeError(error) });
      }
    }
    return found;
  }

  /**
   * One after the other: each takes the next number.
   * @param o.inPlaceOf may have had the same folder, into which another disk was put since
   */
  async add(given: GivenDrive, o: { inPlaceOf?: number } = {}): Promise<DriveStatus> {
    const added = this.#adding.then(() => this.#add(given, o));
    this.#adding = added.catch(() => undefined);
    return await added;
  }

  async #add(given: GivenDrive, o: { inPlaceOf?: number }): Promise<DriveStatus> {
    const { index } = this.#deps;
    const path = resolve(given.path);
    if (index.catalog.drives.some((row) => row.path === path && row.state !== 'removed' && row.number !== o.inPlaceOf)) {
      throw new VaultError('DRIVE_THERE', { path });
    }
    const { drive, row } = await makeDrive(this.#nextNumber(), { ...given, path }, this.#deps);
    await this.#putRow(row);
    this.#adopt(drive);
    this.#deps.onChange(drive, 'the drive was added');
    return this.#statusOf(drive);
  }

  async fail(which: number | string): Promise<DriveStatus> {
    const row = this.#need(which);
    await this.#putRow({ ...row, state: 'failed' });
    this.#deps.drives.get(row.number)?.tell('fail');
    return this.#statusNow(row.number);
  }

  async drain(number: number): Promise<void> {
    const row = this.#need(number);
    await this.#putRow({ ...row, state: 'draining' });
    this.#deps.drives.get(number)?.tell('drain');
    this.#deps.onChange(this.#deps.drives.get(number), 'the drive is being drained');
  }

  /** It holds nothing of the vault any more. */
  async remove(number: number): Promise<void> {
    const row = this.#need(number);
    const drive = this.#deps.drives.get(number);
    await this.#putRow({ ...row, state: 'removed' });
    this.#deps.drives.delete(number);
    this.#missing.delete(number);
    await drive?.close();
    this.#deps.onChange(undefined, 'the drive was removed');
  }

  /** Throws VaultError NO_SUCH_DRIVE. */
  need(number: number): DriveRow {
    return this.#need(number);
  }

  #adopt(drive: Drive): void {
    this.#deps.drives.set(drive);
    this.#reasons.set(drive.number, drive.state === 'draining' ? 'told to drain' : 'told to fail');
    drive.onStateChange(({ reason }) => {
      this.#reasons.set(drive.number, reason);
      this.#deps.onChange(drive, reason);
    });
  }

  async #putRow(row: DriveRow): Promise<void> {
    await this.#deps.index.change((see) => ({ writes: { catalog: putDrive(see.catalog, row) }, result: undefined }), { freesSpace: true });
    await this.#deps.catalogChanged();
  }

  #nextNumber(): number {
    return Math.max(0, ...this.#deps.index.catalog.drives.map(({ number }) => number)) + 1;
  }

  #need(which: number | string): DriveRow {
    const path = typeof which === 'string' && isAbsolute(which) ? resolve(which) : undefined;
    const row = this.#deps.index.catalog.drives.find(
      (one) => one.state !== 'removed' && (one.number === Number(which) || one.path === path || one.driveId === which),
    );
    if (row === undefined) {
      throw new VaultError('NO_SUCH_DRIVE', { drive: which });
    }
    return row;
  }

  #statusNow(number: number): DriveStatus {
    const drive = this.#deps.drives.get(number);
    return drive === undefined ? this.#statusOfMissing(this.#need(number)) : this.#statusOf(drive);
  }

  #statusOf(drive: Drive): DriveStatus {
    const { totalBytes, freeBytes } = drive.space();
    const { readP99Ms, writeP99Ms } = drive.latency();
    const reason = drive.state === 'online' ? undefined : this.#reasons.get(drive.number)?.slice(0, reasonLengthMax);
    return {
      number: drive.number,
      driveId: drive.driveId,
      path: drive.path,
      domain: drive.domain,
      state: drive.state,
      ...(reason === undefined ? {} : { reason }),
      totalBytes,
      usedBytes: this.#usedOn(drive.number),
      freeBytes,
      shards: this.shardsOn(drive.number),
      readP99Ms,
      writeP99Ms,
    };
  }

  #statusOfMissing(row: DriveRow): DriveStatus {
    const { number, driveId, path, domain } = row;
    const reason = this.#missing.get(number)?.reason ?? 'it is not there';
    const shards = this.shardsOn(number);
    return {
      number,
      driveId,
      path,
      domain,
      state: 'failed',
      reason,
      totalBytes: 0,
      usedBytes: 0,
      freeBytes: 0,
      shards,
      readP99Ms: 0,
      writeP99Ms: 0,
    };
  }

  /** By what the index knows: what is dead and not collected yet is not in it, nor what others keep on the same disk. */
  #usedOn(number: number): number {
    let usedBytes = 0;
    for (const use of this.#deps.index.segmentUse(number).values()) {
      usedBytes += use.liveBytes;
    }
    return usedBytes;
  }

  shardsOn(number: number): number {
    let shards = 0;
    for (const use of this.#deps.index.segmentUse(number).values()) {
      shards += use.records;
    }
    return shards;
  }
}
