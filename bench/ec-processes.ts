/** The processes that the benchmark of the erasure-coding engine measures: a vault, and nbdkit's file plugin over a file on the same disk. */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nbdkitModule, storageClient } from '@couchestor/shared/testing/storage-clients';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import type { VaultCalls, VaultStart } from './ec-server.ts';

const run = promisify(execFile);
const startTimeoutMs = 20_000;
const fioTimeoutMs = 60_000;

export interface VaultProcess extends VaultCalls {
  readonly socketPath: string;
}

/** `nodeFlags` are for profiles. */
export async function startVault(o: VaultStart, nodeFlags: readonly string[] = []): Promise<VaultProcess> {
  const child = fork(fileURLToPath(new URL('ec-server.ts', import.meta.url)), {
    execArgv: ['--conditions=source', '--import', 'tsx', '--expose-gc', ...nodeFlags],
  });
  const ask = askerOf(child);
  await ask('open', o);
  const close = async () => {
    await ask('close');
    child.disconnect();
    await once(child, 'exit');
  };
  return {
    socketPath: o.socketPath,
    createVolume: (input) => ask('createVolume', input),
    drain: () => ask('drain'),
    failDrive: (input) => ask('failDrive', input),
    rebuild: () => ask('rebuild'),
    sample: (input) => ask('sample', input),
    blobs: (input) => ask('blobs', input),
    memory: () => ask('memory'),
    close,
  };
}

function askerOf(child: ChildProcess): <T>(name: string, input?: unknown) => Promise<T> {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  child.on('message', ({ id, value, error }: { id: number; value: never; error?: string }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) {
      call?.resolve(value);
    } else {
      call?.reject(new Error(error));
    }
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) {
      reject(new Error(`the process of the vault ended with ${code}`));
    }
  });
  return (name, input) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      child.send({ id: lastId, name, input });
    });
}

export interface Nbdkit {
  readonly socketPath: string;
  stop(): Promise<void>;
}

/** With `isEachWriteDurable` it answers a write only when it is on the disk, as a vault does; else when it is told to flush. */
export async function startNbdkit(o: { filePath: string; socketPath: string; isEachWriteDurable: boolean }): Promise<Nbdkit> {
  const nbdkit = await storageClient('nbdkit');
  const filter = o.isEachWriteDurable ? [`--filter=${nbdkitModule(nbdkit, { kind: 'filter', name: 'fua' })}`] : [];
  const args = ['--foreground', '--unix', o.socketPath, ...filter, nbdkitModule(nbdkit, { kind: 'plugin', name: 'file' })];
  const child = spawn(nbdkit.path, [...args, `file=${o.filePath}`, ...(o.isEachWriteDurable ? ['fuamode=force'] : [])], {
    env: nbdkit.env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await waitUntil(
    () =>
      access(o.socketPath).then(
        () => true,
        () => false,
      ),
    { timeoutMs: startTimeoutMs },
  );
  return {
    socketPath: o.socketPath,
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

export interface Load {
  readonly kind: 'read' | 'write' | 'randread' | 'randwrite';
  readonly blockSize: '4k' | '1M';
  readonly depth: number;
  /** A flush follows each write. */
  readonly isFlushed?: boolean;
  readonly sizeBytes: number;
  /** Absent: the whole size once. */
  readonly runtimeMs?: number;
}

/** fio's nbd engine, one connection: requests per second. */
export async function fio(target: { socketPath: string }, volume: string, load: Load): Promise<number> {
  const { path, env } = await storageClient('fio');
  const args = [
    ...['--name=bench', '--ioengine=nbd', `--uri=nbd+unix:///${volume}?socket=${target.socketPath}`, '--output-format=json'],
    ...[`--rw=${load.kind}`, `--bs=${load.blockSize}`, `--iodepth=${load.depth}`, `--size=${load.sizeBytes}`],
    ...['--randrepeat=0', '--norandommap', '--refill_buffers=0'],
    ...(load.isFlushed === true ? ['--fsync=1'] : []),
    ...(load.runtimeMs === undefined ? [] : ['--time_based', `--runtime=${load.runtimeMs}ms`]),
  ];
  const { stdout } = await run(path, args, { env, timeout: fioTimeoutMs, maxBuffer: 2 ** 24 });
  return ioPerSecond(stdout, load.kind.endsWith('read') ? 'read' : 'write');
}

/** Writes that make new files longer, side by side, each file synced after every `perSync` of them: what a disk has to do for shards. Per second, of all files. */
export async function fioAppends(
  dir: string,
  o: { files: number; writeBytes: number; perSync: number; bytesEach: number },
): Promise<number> {
  const { path, env } = await storageClient('fio');
  const args = [
    ...['--name=appends', `--directory=${dir}`, '--ioengine=psync', '--rw=write', '--output-format=json', '--group_reporting', '--thread'],
    ...[
      `--numjobs=${o.files}`,
      `--bs=${o.writeBytes}`,
      `--fdatasync=${o.perSync}`,
      `--size=${o.bytesEach}`,
      '--fallocate=none',
      '--unlink=1',
    ],
  ];
  const { stdout } = await run(path, args, { env, timeout: fioTimeoutMs, maxBuffer: 2 ** 24 });
  return ioPerSecond(stdout, 'write');
}

function ioPerSecond(stdout: string, side: 'read' | 'write'): number {
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { jobs: [Record<'read' | 'write', { readonly iops: number }>] };
  return jobs[0][side].iops;
}
