/** Reads everything that a vault holds. */
import type { VaultApi } from '../../../services/ec-encoder/src/vault/vault-api.ts';
import { unitBytes, unreadableValue, valuesOf, zeroValue } from './stamped-bytes.ts';
import { type Found, type FoundBlob, runsOf } from './story.ts';

const readBytes = 256 * 1024;

export async function look(vault: VaultApi, keys: readonly string[]): Promise<Found> {
  const problems: string[] = [];
  const devices: Record<string, number[]> = {};
  for (const { name } of vault.exports.list()) {
    devices[name] = runsOf(await deviceValues(vault, name, problems));
  }
  const blobs: FoundBlob[] = [];
  for (const key of keys) {
    const blob = await blobAt(vault, key, problems);
    if (blob !== undefined) {
      blobs.push(blob);
    }
  }
  const listed = await vault.blobs.list({ limit: 1_000_000 });
  if (listed.length !== blobs.length) {
    problems.push(`${listed.length} blobs are listed, and ${blobs.length} are known`);
  }
  return { devices, blobs, problems };
}

async function deviceValues(vault: VaultApi, name: string, problems: string[]): Promise<Int32Array> {
  const opened = await vault.exports.open(name);
  if (opened === undefined) {
    problems.push(`${name} is listed and cannot be opened`);
    return new Int32Array(0);
  }
  const { device, close } = opened;
  const values = new Int32Array(device.sizeBytes / unitBytes);
  for (let at = 0; at < device.sizeBytes; at += readBytes) {
    const bytes = Buffer.alloc(Math.min(readBytes, device.sizeBytes - at));
    const firstUnit = at / unitBytes;
    try {
      await device.read(at, bytes);
      values.set(valuesOf(bytes, { firstUnit, salt: 0 }), firstUnit);
    } catch (error) {
      problems.push(`${name} cannot be read at ${at}: ${describe(error)}`);
      values.fill(unreadableValue, firstUnit, firstUnit + bytes.length / unitBytes);
    }
  }
  close();
  return values;
}

async function blobAt(vault: VaultApi, key: string, problems: string[]): Promise<FoundBlob | undefined> {
  const info = await vault.blobs.head(key);
  if (info === undefined) {
    return undefined;
  }
  const units = info.sizeBytes / unitBytes;
  try {
    const found = await vault.blobs.get({ key });
    const chunks: Uint8Array[] = [];
    for await (const chunk of found?.body ?? []) {
      chunks.push(chunk);
    }
    const values = valuesOf(Buffer.concat(chunks), { firstUnit: 0, salt: saltOf(key) });
    return { key, state: info.state, units, isSound: values.length === units && values.every((value) => value > zeroValue) };
  } catch (error) {
    problems.push(`blob ${key} cannot be read: ${describe(error)}`);
    return { key, state: info.state, units, isSound: false };
  }
}

/** Blobs have bytes of their own. */
export function saltOf(key: string): number {
  let salt = 1;
  for (const char of key) {
    salt = (Math.imul(salt, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  }
  return salt;
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.cause === undefined ? error.message : `${error.message} <- ${describe(error.cause)}`;
}
