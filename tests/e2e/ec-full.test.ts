/** A vault on small drives that is filled up, emptied by trims, and written to again. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failClient, runClient } from './ec/run-client.ts';
import { VaultProcess } from './ec/vault-process.ts';

const mebibyte = 2 ** 20;
const startTimeoutMs = 60_000;
const testTimeoutMs = 180_000;
const drives = 6;
/** Of it four segments are the reserve. */
const driveMib = 360;
const reserveMib = 256;
/** Of the reserve, what telling of trims may take. */
const spareMib = 16;
const pieceMib = 32;
const piecesMax = 40;

let vault: VaultProcess;

beforeAll(async () => {
  vault = await VaultProcess.start({ drives });
  await vault.faults.set((await vault.client.listDrives()).map(({ path }) => `room ${driveMib}MiB ${path}`));
  await waitUntil(async () => (await vault.status()).drives.every(({ totalBytes }) => totalBytes === driveMib * mebibyte), {
    timeoutMs: 20_000,
    what: 'the vault to see how small its drives are',
  });
  await vault.client.createVolume({ name: 'data', sizeBytes: piecesMax * pieceMib * mebibyte });
}, startTimeoutMs);

afterAll(async () => {
  await vault.remove();
});

async function io(...commands: string[]): Promise<string> {
  const all = commands.flatMap((one) => ['-c', one]);
  return (await failClient('qemu-io', ['-f', 'raw', '-t', 'none', ...all, vault.uri('data')])).output;
}

/** Writes pieces from `first` on until there is no room, each with a pattern of its own. Answers how many were written whole. */
async function fill(first: number): Promise<number> {
  for (let piece = first; piece < piecesMax; piece += 1) {
    const said = await io(`write -P ${piece + 1} ${piece * pieceMib}M ${pieceMib}M`);
    if (!said.includes('wrote')) {
      expect(said).toMatch(/write failed: No space left on device/);
      return piece - first;
    }
  }
  throw new Error('the drives took more than they are large');
}

async function expectPieces(first: number, count: number): Promise<void> {
  const pieces = Array.from({ length: count }, (_, index) => first + index);
  const said = await io(...pieces.map((piece) => `read -P ${piece + 1} ${piece * pieceMib}M ${pieceMib}M`));
  expect(said.match(/^read \d+\/\d+ bytes/gm)).toHaveLength(count);
  expect(said).not.toMatch(/failed/);
}

async function takenMib(path: string): Promise<number> {
  const segments = join(path, 'segments');
  const sizes = await Promise.all((await readdir(segments)).map(async (name) => (await stat(join(segments, name))).blocks * 512));
  return sizes.reduce((sum, size) => sum + size, 0) / mebibyte;
}

it(
  'refuses with ENOSPC before the reserve is touched, and takes writes again once the room that was trimmed is collected',
  async () => {
    const whole = await fill(0);
    expect(whole).toBeGreaterThan(8);
    for (const { path } of await vault.client.listDrives()) {
      expect(await takenMib(path)).toBeLessThan(driveMib - reserveMib + spareMib);
    }
    await expectPieces(0, whole);
    expect((await vault.status()).phase).toBe('readOnly');
    expect((await vault.readiness())?.ready).toBe(true);

    // All but the last two pieces are given back.
    const kept = 2;
    await runClient('qemu-io', ['-f', 'raw', '-c', `discard 0 ${(whole - kept) * pieceMib}M`, vault.uri('data')]);
    await waitUntil(async () => (await vault.status()).phase === 'ready', { timeoutMs: 60_000, what: 'the room to come back' });
    await expectPieces(whole - kept, kept);
    const more = await fill(whole);
    expect(more).toBeGreaterThan(2);
    await expectPieces(whole - kept, kept + more);
    const { errorsFound } = await vault.finish(await vault.client.begin('verify'));
    expect(errorsFound).toBe(0);
  },
  testTimeoutMs,
);
