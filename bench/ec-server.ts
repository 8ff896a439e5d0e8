/** A vault with its NBD server in a process of its own, for the benchmark: does what its parent's messages ask for. */
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startNbdServer } from '@couchestor/ec-encoder/adapters/nbd/server';
import { openVault } from '@couchestor/ec-encoder/vault/vault';
import type { VaultApi } from '@couchestor/ec-encoder/vault/vault-api';
import { erasureCodingPolicySpecSchema } from '@couchestor/shared/erasure-coding-policy';
import { createLogger } from '@couchestor/shared/logger';

export interface VaultStart {
  readonly dir: string;
  readonly drives: number;
  readonly replicationFactor: number;
  readonly socketPath: string;
}

export interface SampledBlocks {
  /** Bytes from the volume's start. */
  readonly lost: readonly number[];
  readonly healthy: readonly number[];
}

/** What the parent may call; all of it in milliseconds and bytes. */
export interface VaultCalls {
  createVolume(o: { name: string; sizeBytes: number }): Promise<void>;
  /** How long it took to bring the journal's content into stripes, and a backup of the index, which is small. */
  drain(): Promise<number>;
  failDrive(number: number): Promise<void>;
  /** Adds a drive and rebuilds onto it: how long that took, and how much was written. */
  rebuild(): Promise<{ tookMs: number; bytes: number }>;
  /** Blocks that lie on failed drives, told by the reconstructions that reading them takes, and others. */
  sample(o: { volume: string; count: number }): Promise<SampledBlocks>;
  blobs(o: { count: number; lengthBytes: number }): Promise<{ tookMs: number; driveBytes: number }>;
  /** Used: by JavaScript, and by memory that it holds, after a collection. */
  memory(): Promise<{ residentBytes: number; usedBytes: number }>;
  close(): Promise<void>;
}

const logger = createLogger({ name: 'ec-bench', level: 'error', json: false });
const blockBytes = 4096;
const blobsAtOnce = 256;

async function open(o: VaultStart): Promise<VaultCalls> {
  const drivePath = (number: number) => join(o.dir, `drive-${number}`);
  const driveOf = (number: number) => ({ path: drivePath(number), domain: { disk: `disk-${number}` } });
  const spec = erasureCodingPolicySpecSchema.parse({
    journalConfig: { journalSizeBytes: 2 * 2 ** 30, replicationFactor: o.replicationFactor, destageInterval: '1h' },
  });
  const vault = await openVault({
    dataDir: join(o.dir, 'data'),
    drives: Array.from({ length: o.drives }, (_, index) => driveOf(index + 1)),
    journal: Array.from({ length: o.replicationFactor }, (_, index) => ({
      path: join(o.dir, `journal-${index}`),
      domain: `disk-${index}`,
    })),
    policy: { name: 'bench', spec },
    throttle: { rebuildBytesPerSecond: 0, scrubBytesPerSecond: 0 },
    acceptJournalLoss: false,
    env: process.env,
    logger,
    observer: { driveCall: () => undefined },
    signal: new AbortController().signal,
  });
  const nbd = await startNbdServer({ exports: vault.exports, listen: { unixPath: o.socketPath }, logger });
  let drives = o.drives;
  const call = () => ({ signal: new AbortController().signal, report: () => undefined });
  return {
    createVolume: async (volume) => void (await vault.volumes.create(volume)),
    drain: () => timed(async () => void (await vault.backup(await mkdtemp(join(o.dir, 'backup-')), call()))),
    failDrive: async (number) => void (await vault.drives.fail(number)),
    rebuild: async () => {
      drives += 1;
      const tookMs = await timed(async () => {
        await vault.drives.add(driveOf(drives));
        await vault.rebuild(call());
      });
      return { tookMs, bytes: await bytesIn(join(drivePath(drives), 'segments')) };
    },
    sample: (what) => sampleOf(vault, what),
    blobs: async ({ count, lengthBytes }) => {
      const used = async () => {
        const sizes = Array.from({ length: drives }, (_, index) => bytesIn(join(drivePath(index + 1), 'segments')));
        return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
      };
      const before = await used();
      const tookMs = await timed(() => putBlobs(vault, count, lengthBytes));
      return { tookMs, driveBytes: (await used()) - before };
    },
    memory: async () => {
      (globalThis as { gc?: () => void }).gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { residentBytes: rss, usedBytes: heapUsed + external };
    },
    close: async () => {
      await nbd.close(1_000);
      await vault.close();
    },
  };
}

async function sampleOf(vault: VaultApi, o: { volume: string; count: number }): Promise<SampledBlocks> {
  const opened = await vault.exports.open(o.volume);
  if (opened === undefined) {
    throw new Error(`there is no volume ${o.volume}`);
  }
  const found = { lost: [] as number[], healthy: [] as number[] };
  const block = new Uint8Array(blockBytes);
  while (found.lost.length < o.count || found.healthy.length < o.count) {
    const offsetBytes = Math.floor((Math.random() * opened.device.sizeBytes) / blockBytes) * blockBytes;
    const before = vault.status().reconstructions;
    await opened.device.read(offsetBytes, block);
    found[vault.status().reconstructions > before ? 'lost' : 'healthy'].push(offsetBytes);
  }
  opened.close();
  return { lost: found.lost.slice(0, o.count), healthy: found.healthy.slice(0, o.count) };
}

async function putBlobs(vault: VaultApi, count: number, lengthBytes: number): Promise<void> {
  const { signal } = new AbortController();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const key = `blob-${next++}`;
      const bytes = Buffer.alloc(lengthBytes, key);
      await vault.blobs.put({ key, body: oneChunk(bytes), sizeBytes: lengthBytes, signal });
    }
  };
  await Promise.all(Array.from({ length: blobsAtOnce }, lane));
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function bytesIn(dir: string): Promise<number> {
  const names = await readdir(dir);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const fromMs = performance.now();
  await work();
  return performance.now() - fromMs;
}

let calls: VaultCalls | undefined;
// Without its parent nobody needs it.
process.once('disconnect', () => process.exit());
process.on('message', ({ id, name, input }: { id: number; name: keyof VaultCalls | 'open'; input: never }) => {
  const answer = async () => {
    if (name === 'open') {
      calls = await open(input);
      return undefined;
    }
    return await calls?.[name](input);
  };
  answer().then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
