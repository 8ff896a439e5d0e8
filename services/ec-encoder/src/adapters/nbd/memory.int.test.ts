import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { storageClient } from '@couchestor/shared/testing/storage-clients';
import { expect, it } from 'vitest';
import { infoData, optionBytes, RawClient, request } from './raw-client.fixture.ts';
import { closeServersAfterEach, testDir } from './server.fixture.ts';

closeServersAfterEach();

const mebibyte = 2 ** 20;
/** Three runs of fio and a server's start, on a machine that has other things to do. */
const testTimeoutMs = 90_000;
/** What a server of the program allows payloads and replies, what two keep of idle memory, and what V8 lets lie before it looks. */
const grownMebibytesMax = 64 + 2 * 32 + 128;

async function residentMebibytes(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const found = new RegExp(`${field}:\\s+(\\d+) kB`).exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1]) / 1_024;
}

async function fio(unixPath: string, args: readonly string[]): Promise<void> {
  const { path, env } = await storageClient('fio');
  const uri = `nbd+unix:///vol?socket=${unixPath}`;
  const all = ['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--thread', '--group_reporting', ...args];
  await promisify(execFile)(path, all, { env, timeout: 20_000, maxBuffer: 16 * mebibyte });
}

/** Asks for far more than it may have, and takes none of it. */
async function greedy(unixPath: string): Promise<{ destroy(): void }> {
  const socket = connect(unixPath);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const flags = Buffer.from([0, 0, 0, 3]);
  const reads = Array.from({ length: 2_000 }, () => request({ type: 0, length: mebibyte }));
  socket.pause();
  socket.write(Buffer.concat([flags, optionBytes(7, infoData('vol')), ...reads]));
  return socket;
}

it(
  'stays within its bounds of memory under many clients, large requests, and clients that take nothing',
  async () => {
    const dir = await testDir();
    const [unixPath, hurriedPath] = [join(dir, 'nbd.sock'), join(dir, 'hurried.sock')];
    const program = fileURLToPath(new URL('./memory.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', program, unixPath, hurriedPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      const pid = child.pid ?? 0;
      const before = await residentMebibytes(pid, 'VmRSS');
      await fio(unixPath, ['--rw=randwrite', '--bs=1m', '--iodepth=32', '--numjobs=4', '--size=64m', '--offset_increment=64m']);
      await fio(unixPath, ['--rw=randread', '--bs=1m', '--iodepth=32', '--numjobs=4', '--size=64m', '--offset_increment=64m']);
      await fio(unixPath, ['--rw=randrw', '--bsrange=512-64k', '--iodepth=64', '--numjobs=4', '--size=4m', '--offset_increment=4m']);
      const clients = await Promise.all(Array.from({ length: 12 }, () => greedy(hurriedPath)));
      // It comes last, and is served once all that is held by others was taken from them.
      const last = await RawClient.ready({ address: hurriedPath });
      expect((await last.ask({ type: 0, length: 4_096 })).error).toBe(0);
      last.close();
      for (const client of clients) {
        client.destroy();
      }
      expect((await residentMebibytes(pid, 'VmHWM')) - before).toBeLessThan(grownMebibytesMax);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  },
  testTimeoutMs,
);
