/**
 * What befalls the drives of a vault while clients use it. Each trouble concerns at most as many drives as a stripe has parity shards, and ends
 * with the vault healthy again, however that is reached: so that no two troubles add up to more than was promised.
 */
import { readdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DriveStatus } from '@couchestor/shared/contracts/vault';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { flipBits } from '../../faults/flip-bits.ts';
import type { VaultProcess } from './vault-process.ts';

/** The deadline of a drive's call is 10 s, and 30 s later it is given up. */
const shortHangMs = 3_000;
const longHangMs = 14_000;
const stateTimeoutMs = 60_000;
const healTimeoutMs = 120_000;
/** It yields to clients. */
const scrubTimeoutMs = 240_000;
const bitsPerSegment = 40;

export interface TroubleInput {
  readonly vault: VaultProcess;
  readonly random: () => number;
  /** For how long clients live with it, before anything is done about it. */
  readonly holdMs: number;
}

type Trouble = (o: TroubleInput, drives: readonly DriveStatus[]) => Promise<void>;

/** How many drives each concerns at the most, and what it does. */
const table: Readonly<Record<string, { readonly drivesMax: number; readonly run: Trouble }>> = {
  'failed by its operator, and replaced': { drivesMax: 2, run: failAndReplace },
  'corrupted, and scrubbed': { drivesMax: 2, run: corruptAndScrub },
  'hung for a while': { drivesMax: 2, run: (o, drives) => faulty(o, drives, 'hang', shortHangMs) },
  'hung beyond its deadline': { drivesMax: 1, run: (o, drives) => faulty(o, drives, 'hang', longHangMs) },
  slow: { drivesMax: 2, run: (o, drives) => faulty(o, drives, 'slow 80ms', o.holdMs) },
  'slow to sync': { drivesMax: 2, run: (o, drives) => faulty(o, drives, 'slow-sync 250ms', o.holdMs) },
  'unreadable for a while': { drivesMax: 2, run: (o, drives) => errOften(o, drives, 'eio-read') },
  'unwritable for a while': { drivesMax: 2, run: (o, drives) => errOften(o, drives, 'eio-write') },
  'unable to sync, and replaced': { drivesMax: 1, run: failSyncAndReplace },
  'read-only for a while': { drivesMax: 2, run: (o, drives) => faulty(o, drives, 'erofs', o.holdMs) },
  'full for a while': { drivesMax: 2, run: (o, drives) => faulty(o, drives, 'enospc', o.holdMs) },
  'gone for a while': { drivesMax: 2, run: goAndComeBack },
  'replaced while it works': { drivesMax: 1, run: replaceAll },
  'drained, with another added': { drivesMax: 1, run: drainAndAdd },
};

export const troubleNames: readonly string[] = Object.keys(table);

/** Resolves with what was done once all is well again; rejects where that does not come about. */
export async function trouble(name: string, o: TroubleInput): Promise<string> {
  const found = table[name];
  if (found === undefined) {
    throw new RangeError(`no such trouble: ${name}`);
  }
  const { vault, random } = o;
  const count = 1 + Math.floor(random() * found.drivesMax);
  const drives = [...(await vault.client.listDrives())];
  const victims = Array.from({ length: count }, () => drives.splice(Math.floor(random() * drives.length), 1)[0] as DriveStatus);
  await found.run(o, victims);
  await vault.faults.set([]);
  await vault.untilHealthy(healTimeoutMs);
  return `drive ${victims.map(({ number }) => number).join(' and ')} ${name}`;
}

async function faulty({ vault }: TroubleInput, drives: readonly DriveStatus[], fault: string, forMs: number): Promise<void> {
  await vault.faults.set(drives.map(({ path }) => `${fault} ${path}`));
  await delay(forMs);
}

/** A drive that errs often is given up, though it works again: then it is replaced. */
async function errOften(o: TroubleInput, drives: readonly DriveStatus[], fault: string): Promise<void> {
  await faulty(o, drives, fault, o.holdMs);
  await o.vault.faults.set([]);
  const numbers = drives.map(({ number }) => number);
  const settled = async (): Promise<boolean> => (await o.vault.client.listDrives()).every(({ state }) => state !== 'suspect');
  await waitUntil(settled, { timeoutMs: stateTimeoutMs, intervalMs: 100, what: `drive ${numbers.join(', ')} to be online or failed` });
  const failed = (await o.vault.client.listDrives()).filter(({ number, state }) => numbers.includes(number) && state === 'failed');
  await replaceAll(o, failed);
}

async function failAndReplace(o: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  for (const { number } of drives) {
    await o.vault.client.failDrive(number);
  }
  await delay(o.holdMs);
  await replaceAll(o, drives);
}

async function failSyncAndReplace(o: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  await o.vault.faults.set(drives.map(({ path }) => `eio-sync ${path}`));
  await untilState(o.vault, drives, 'failed');
  await o.vault.faults.set([]);
  await replaceAll(o, drives);
}

async function replaceAll({ vault }: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  for (const { number, path, domain } of drives) {
    // A place of its own for each: a drive's number is never used again.
    const place = join(vault.root, `in-place-of-${number}`);
    const { disk } = domain;
    await vault.finish(await vault.client.replaceDrive({ number, path: place, domain: { disk } }), healTimeoutMs);
    await rm(path, { recursive: true });
  }
}

async function drainAndAdd({ vault }: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  for (const { number, path, domain } of drives) {
    await vault.client.addDrive({ path: join(vault.root, `beside-${number}`), domain: { disk: domain.disk } });
    await vault.finish(await vault.client.drainDrive(number), healTimeoutMs);
    await rm(path, { recursive: true });
  }
}

/** Bits are turned over anywhere in any segment, also in the one that is being written. */
async function corruptAndScrub({ vault, random, holdMs }: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  for (const { path } of drives) {
    for (const name of readdirSync(join(path, 'segments'))) {
      const segment = join(path, 'segments', name);
      if (statSync(segment).size > 0) {
        flipBits(segment, random, bitsPerSegment);
      }
    }
  }
  await delay(holdMs);
  // What clients had found by then is healed already, and what they have overwritten is nobody's any more.
  const { errorsFound = 0, healed = 0 } = await vault.finish(await vault.client.begin('scrub'), scrubTimeoutMs);
  if (healed < errorsFound) {
    throw new Error(`the scrub found ${errorsFound} bad shards and healed ${healed}`);
  }
}

async function goAndComeBack({ vault, holdMs }: TroubleInput, drives: readonly DriveStatus[]): Promise<void> {
  for (const { path } of drives) {
    await rename(path, `${path}.away`);
  }
  await untilState(vault, drives, 'failed');
  await delay(holdMs);
  for (const { path } of drives) {
    await rename(`${path}.away`, path);
  }
}

async function untilState(vault: VaultProcess, drives: readonly DriveStatus[], state: DriveStatus['state']): Promise<void> {
  const numbers = drives.map(({ number }) => number);
  await waitUntil(
    async () => (await vault.client.listDrives()).filter((drive) => numbers.includes(drive.number)).every((drive) => drive.state === state),
    { timeoutMs: stateTimeoutMs, intervalMs: 100, what: `drive ${numbers.join(', ')} to be ${state}` },
  );
}
