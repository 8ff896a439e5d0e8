/**
 * The erasure-coding engine against nbdkit's file plugin and against plain files, in one run.
 *
 * A vault of 4+2 over six folders, in a process of its own, serves a volume over NBD; nbdkit serves a file on the same disk. fio's nbd engine loads
 * them by turns, over a unix socket, and of each the median counts: what matters are the ratios, for the machine is shared. All that is read is
 * in the page cache. `flushed`: a flush follows each write. `durable`: nbdkit too answers a write only when it is on the disk. Writes of a vault
 * come to rest in its journal; to bring them into stripes (destage) is measured apart.
 */
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { provisionNativeCodec } from '@couchestor/ec-encoder/adapters/codec/provision-native';
import { RawClient } from '@couchestor/ec-encoder/adapters/nbd/raw-client.fixture';
import { fio, fioAppends, type Load, startNbdkit, startVault, type VaultProcess } from './ec-processes.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const volumeBytes = 256 * MiB;
const repetitions = 5;
const runtimeMs = 700;
const blockBytes = 4 * KiB;
const drives = 6;
const dataShards = 4;
const parityShards = 2;
/** Of each kind, by turns. */
const latencySamples = 1_000;
const destagedWrites = 16_384;
const smallBlobs = 8_192;
const firstVolumeBytes = 512 * MiB;
const secondVolumeBytes = 2048 * MiB;
const journaledBytes = 128 * MiB;
/** What a full stripe of 1 MiB has on each drive. */
const shardBytes = 256 * KiB;
const appendedBytesEach = 64 * MiB;

const loads: readonly { readonly name: string; readonly load: Omit<Load, 'sizeBytes'>; readonly isEachWriteDurable?: boolean }[] = [
  { name: 'random reads, 4 KiB, depth 1', load: { kind: 'randread', blockSize: '4k', depth: 1, runtimeMs } },
  { name: 'random reads, 4 KiB, depth 16', load: { kind: 'randread', blockSize: '4k', depth: 16, runtimeMs } },
  { name: 'reads, 1 MiB, depth 4', load: { kind: 'read', blockSize: '1M', depth: 4, runtimeMs } },
  { name: 'writes, 1 MiB, depth 4, flushed', load: { kind: 'write', blockSize: '1M', depth: 4, isFlushed: true, runtimeMs } },
  { name: 'writes, 1 MiB, depth 4, durable', load: { kind: 'write', blockSize: '1M', depth: 4, runtimeMs }, isEachWriteDurable: true },
  { name: 'random writes, 4 KiB, depth 1, flushed', load: { kind: 'randwrite', blockSize: '4k', depth: 1, isFlushed: true, runtimeMs } },
  { name: 'random writes, 4 KiB, depth 16, flushed', load: { kind: 'randwrite', blockSize: '4k', depth: 16, isFlushed: true, runtimeMs } },
  {
    name: 'random writes, 4 KiB, depth 1, durable',
    load: { kind: 'randwrite', blockSize: '4k', depth: 1, runtimeMs },
    isEachWriteDurable: true,
  },
  {
    name: 'random writes, 4 KiB, depth 16, durable',
    load: { kind: 'randwrite', blockSize: '4k', depth: 16, runtimeMs },
    isEachWriteDurable: true,
  },
];

type Memory = Awaited<ReturnType<VaultProcess['memory']>>;

export async function run(): Promise<void> {
  const log = (line: string) => console.error(line);
  await provisionNativeCodec({ env: process.env, log, install: true });
  const dir = await mkdtemp(join(tmpdir(), 'couchestor-bench-'));
  const start = async (name: string, replicationFactor: number) => {
    await mkdir(join(dir, name));
    return await startVault({ dir: join(dir, name), drives, replicationFactor, socketPath: join(dir, `${name}.sock`) });
  };
  const open: { close(): Promise<void> }[] = [];
  try {
    console.log(
      `${cpus()[0]?.model}, ${cpus().length} cores; load average ${loadavg()[0]?.toFixed(1)}; ${dataShards}+${parityShards} over ${drives} folders`,
    );
    const one = await start('one', 1);
    open.push(one);
    const three = await start('three', 3);
    open.push(three);
    for (const vault of [one, three]) {
      await vault.createVolume({ name: 'vol', sizeBytes: volumeBytes });
    }
    await againstNbdkit({ dir, one, three });
    await Promise.all([one.drain(), three.drain()]);
    await destage(dir, one);
    await degraded({ healthy: one, hurt: three });
    await rebuild(dir, one);
    await blobs(one);
    await memory(dir, start);
  } finally {
    await Promise.allSettled(open.map((each) => each.close()));
    await rm(dir, { recursive: true, force: true });
    console.log(`load average at the end ${loadavg()[0]?.toFixed(1)}`);
  }
}

async function againstNbdkit({ dir, one, three }: { dir: string; one: VaultProcess; three: VaultProcess }): Promise<void> {
  const filePath = join(dir, 'nbdkit.img');
  await writePlainly([filePath], volumeBytes);
  const flushing = await startNbdkit({ filePath, socketPath: join(dir, 'flushing.sock'), isEachWriteDurable: false });
  const durable = await startNbdkit({ filePath, socketPath: join(dir, 'durable.sock'), isEachWriteDurable: true });
  try {
    const fill: Load = { kind: 'write', blockSize: '1M', depth: 4, sizeBytes: volumeBytes };
    await fio(one, 'vol', fill);
    await fio(three, 'vol', fill);
    console.log(
      '| load | nbdkit, per second | a vault, per second | ratio to nbdkit | ratio with 3 copies of the journal |\n|---|---|---|---|---|',
    );
    for (const { name, load, isEachWriteDurable } of loads) {
      const byTurns = await medians([isEachWriteDurable === true ? durable : flushing, one, three], (target) => {
        return fio(target, target === one || target === three ? 'vol' : '', { ...load, sizeBytes: volumeBytes });
      });
      const [nbdkit, vault, copied] = byTurns;
      console.log(`| ${name} | ${whole(nbdkit)} | ${whole(vault)} | ${ratio(vault, nbdkit)} | ${ratio(copied, nbdkit)} |`);
    }
    await one.drain();
    const appends: number[] = [];
    const stripes: number[] = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      stripes.push(await fio(one, 'vol', { kind: 'write', blockSize: '1M', depth: 4, runtimeMs, sizeBytes: volumeBytes }));
      appends.push(await fioAppends(dir, { files: drives, writeBytes: shardBytes, perSync: 4, bytesEach: appendedBytesEach }));
    }
    console.log(
      `writes, 1 MiB, depth 4: ${ratio(median(stripes), median(appends) / drives)} of what the disk does of the same shards, appended to ` +
        `${drives} new files that are synced after every fourth`,
    );
  } finally {
    await flushing.stop();
    await durable.stop();
  }
}

/** Both vaults have the same volume; `hurt` loses drives. */
async function degraded({ healthy, hurt }: { healthy: VaultProcess; hurt: VaultProcess }): Promise<void> {
  const fill: Load = { kind: 'write', blockSize: '1M', depth: 4, sizeBytes: volumeBytes };
  for (const vault of [healthy, hurt]) {
    await vault.createVolume({ name: 'whole', sizeBytes: volumeBytes });
    await fio(vault, 'whole', fill);
  }
  console.log('| with lost drives | of healthy |\n|---|---|');
  const compare = async (load: Omit<Load, 'sizeBytes' | 'runtimeMs'>) => {
    const [whole, degraded] = await medians([healthy, hurt], (vault) =>
      fio(vault, 'whole', { ...load, runtimeMs, sizeBytes: volumeBytes }),
    );
    return ratio(degraded, whole);
  };
  await hurt.failDrive(1);
  for (const depth of [1, 16]) {
    console.log(
      `| random reads of all blocks, 4 KiB, depth ${depth}, 1 drive lost | ${await compare({ kind: 'randread', blockSize: '4k', depth })} |`,
    );
  }
  const { lost, healthy: whole } = await latencies(hurt);
  console.log(`| p50 of a lost block, 1 drive lost | ${ratio(lost, whole)} times a healthy one's (${whole.toFixed(3)} ms) |`);
  console.log(`| sequential reads, 1 MiB, depth 4, 1 drive lost | ${await compare({ kind: 'read', blockSize: '1M', depth: 4 })} |`);
  for (let drive = 2; drive <= parityShards; drive += 1) {
    await hurt.failDrive(drive);
  }
  console.log(
    `| sequential reads, 1 MiB, depth 4, ${parityShards} drives lost | ${await compare({ kind: 'read', blockSize: '1M', depth: 4 })} |`,
  );
}

/** One at a time over NBD, by turns: the medians, in milliseconds. */
async function latencies(vault: VaultProcess): Promise<{ lost: number; healthy: number }> {
  const blocks = await vault.sample({ volume: 'whole', count: latencySamples });
  const client = await RawClient.ready({ address: vault.socketPath }, { name: 'whole' });
  const took = { lost: [] as number[], healthy: [] as number[] };
  for (let at = 0; at < latencySamples; at += 1) {
    for (const kind of ['lost', 'healthy'] as const) {
      const fromMs = performance.now();
      await client.ask({ type: 0, offset: blocks[kind][at] ?? 0, length: blockBytes });
      took[kind].push(performance.now() - fromMs);
    }
  }
  client.close();
  return { lost: median(took.lost), healthy: median(took.healthy) };
}

async function destage(dir: string, vault: VaultProcess): Promise<void> {
  const ratios: number[] = [];
  let rate = 0;
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const bytes = destagedWrites * blockBytes;
    await fio(vault, 'vol', { kind: 'randwrite', blockSize: '4k', depth: 16, sizeBytes: bytes });
    const tookMs = await vault.drain();
    const plainMs = await plainWriteMs(dir, { files: drives, bytes: (bytes * (dataShards + parityShards)) / dataShards });
    ratios.push(plainMs / tookMs);
    rate = bytes / MiB / (tookMs / 1_000);
  }
  console.log(
    `destage of 4 KiB writes: ${ratio(median(ratios))} of a plain write of the same shards to ${drives} files (${whole(rate)} MiB/s of data)`,
  );
}

async function rebuild(dir: string, vault: VaultProcess): Promise<void> {
  try {
    await vault.failDrive(1);
    const { tookMs, bytes } = await vault.rebuild();
    const plainMs = await plainWriteMs(dir, { files: 1, bytes });
    console.log(
      `rebuild of a drive: ${ratio(plainMs, tookMs)} of a plain write of the same bytes (${whole(bytes / MiB / (tookMs / 1_000))} MiB/s)`,
    );
  } catch (error) {
    console.log(`rebuild of a drive: not measured: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function blobs(vault: VaultProcess): Promise<void> {
  const { tookMs, driveBytes } = await vault.blobs({ count: smallBlobs, lengthBytes: blockBytes });
  const overhead = driveBytes / (smallBlobs * blockBytes);
  console.log(
    `${smallBlobs} blobs of 4 KiB: ${overhead.toFixed(2)} bytes on the drives for each of theirs (the code alone: ` +
      `${((dataShards + parityShards) / dataShards).toFixed(2)}), ${whole(smallBlobs / (tookMs / 1_000))} a second`,
  );
}

/**
 * By how much a process grows with what is mapped: the first volume fills pools and buffers of a fixed size, and what the second one adds is taken
 * for all that follow. And by how much it grows with what the journal holds.
 */
async function memory(dir: string, start: (name: string, replicationFactor: number) => Promise<VaultProcess>): Promise<void> {
  const vault = await start('large', 1);
  try {
    const before = await vault.memory();
    const fixed = await filled(vault, 'first', firstVolumeBytes);
    const mapped = await filled(vault, 'second', secondVolumeBytes);
    await fio(vault, 'first', { kind: 'randwrite', blockSize: '4k', depth: 16, sizeBytes: journaledBytes });
    const journaled = await vault.memory();
    const perTiB = ((mapped.usedBytes - fixed.usedBytes) / secondVolumeBytes) * 1024;
    const perJournalGiB = ((journaled.usedBytes - mapped.usedBytes) / journaledBytes) * 1024;
    const shown = ({ residentBytes, usedBytes }: Memory) => `${whole(usedBytes / MiB)} (${whole(residentBytes / MiB)} resident)`;
    console.log(
      `MiB of memory: empty ${shown(before)}; with ${firstVolumeBytes / MiB} MiB written and read ${shown(fixed)}; with ` +
        `${secondVolumeBytes / MiB} MiB more ${shown(mapped)}, which makes ${perTiB.toFixed(1)} GiB for a TiB until the caches of the index are full; with ` +
        `${journaledBytes / MiB} MiB of 4 KiB writes in the journal ${shown(journaled)}, which makes ${whole(perJournalGiB)} MiB for a GiB of journal`,
    );
  } finally {
    await vault.close();
    await rm(join(dir, 'large'), { recursive: true, force: true });
  }
}

async function filled(vault: VaultProcess, name: string, sizeBytes: number): Promise<Memory> {
  await vault.createVolume({ name, sizeBytes });
  await fio(vault, name, { kind: 'write', blockSize: '1M', depth: 8, sizeBytes });
  await fio(vault, name, { kind: 'read', blockSize: '1M', depth: 4, sizeBytes });
  return await vault.memory();
}

/** The alternatives by turns, again and again. */
async function medians<T>(targets: readonly T[], measure: (target: T) => Promise<number>): Promise<number[]> {
  const results = targets.map(() => [] as number[]);
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const [place, target] of targets.entries()) {
      results[place]?.push(await measure(target));
    }
  }
  return results.map(median);
}

async function plainWriteMs(dir: string, o: { files: number; bytes: number }): Promise<number> {
  const paths = Array.from({ length: o.files }, (_, index) => join(dir, `plain-${index}`));
  const fromMs = performance.now();
  await writePlainly(paths, o.bytes / o.files);
  const tookMs = performance.now() - fromMs;
  await Promise.all(paths.map((path) => rm(path)));
  return tookMs;
}

/** Whole files, side by side, synced once at their ends. */
async function writePlainly(paths: readonly string[], bytesEach: number): Promise<void> {
  const chunk = Buffer.alloc(MiB, 7);
  await Promise.all(
    paths.map(async (path) => {
      const file = await open(path, 'w');
      for (let left = bytesEach; left > 0; left -= chunk.length) {
        await file.write(chunk, 0, Math.min(left, chunk.length));
      }
      await file.datasync();
      await file.close();
    }),
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function ratio(a = 0, b = 1): string {
  return b === 0 ? '-' : (a / b).toFixed(2);
}

function whole(value = 0): string {
  return value.toFixed(0);
}
