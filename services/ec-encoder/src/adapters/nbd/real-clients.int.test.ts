import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type StorageClientName, storageClient } from '@couchestor/shared/testing/storage-clients';
import { describe, expect, it } from 'vitest';
import { closeServersAfterEach, serve, testDir } from './server.fixture.ts';
import type { NbdServer } from './server.ts';

closeServersAfterEach();

const mebibyte = 2 ** 20;

async function run(name: StorageClientName, args: readonly string[]): Promise<string> {
  const { path, env } = await storageClient(name);
  const { stdout } = await promisify(execFile)(path, [...args], { env, timeout: 20_000, maxBuffer: mebibyte });
  return stdout;
}

function uriOf({ address }: NbdServer, name = 'vol'): string {
  return typeof address === 'string' ? `nbd+unix:///${name}?socket=${address}` : `nbd://${address.address}:${address.port}/${name}`;
}

describe.each([
  { over: 'a unix socket', isTcp: false },
  { over: 'TCP', isTcp: true },
])('over $over', ({ isTcp }) => {
  it('nbdinfo sees what is offered', async () => {
    const { server } = await serve({ isTcp });
    const about = JSON.parse(await run('nbdinfo', ['--json', uriOf(server)])) as { structured: boolean; exports: object[] };
    expect(about).toMatchObject({
      protocol: 'newstyle-fixed',
      structured: true,
      exports: [
        {
          'export-name': 'vol',
          description: 'the volume vol',
          'export-size': 4 * mebibyte,
          contexts: ['base:allocation'],
          is_read_only: false,
          can_cache: true,
          can_df: true,
          can_fast_zero: true,
          can_flush: true,
          can_fua: true,
          can_multi_conn: true,
          can_trim: true,
          can_zero: true,
          block_size_minimum: 1,
          block_size_preferred: 4_096,
          block_size_maximum: 32 * mebibyte,
        },
      ],
    });
    expect(await run('nbdinfo', ['--list', uriOf(server, '')])).toContain('export="vol"');
    expect(await run('nbdinfo', [uriOf(server, '')])).toContain('export-size: 4194304');
    expect(await run('nbdinfo', ['--map', uriOf(server)])).toMatch(/^\s*0\s+4194304\s+3\s+hole,zero\s*$/);
  });

  it('nbdcopy brings a file there and back over several connections', async () => {
    const { server } = await serve({ isTcp, sizeBytes: 16 * mebibyte });
    const dir = await testDir();
    const [from, to] = [join(dir, 'from'), join(dir, 'to')];
    const bytes = Buffer.concat([randomBytes(5 * mebibyte + 4_096), Buffer.alloc(6 * mebibyte), randomBytes(5 * mebibyte - 4_096)]);
    await writeFile(from, bytes);
    await run('nbdcopy', ['--connections=4', from, uriOf(server)]);
    await run('nbdcopy', ['--connections=4', uriOf(server), to]);
    expect((await readFile(to)).equals(bytes)).toBe(true);
    // What was a hole on the server is one in the file.
    expect((await stat(to)).blocks * 512).toBeLessThan(11 * mebibyte);
  });

  it('qemu-io finds every pattern as it left it', async () => {
    const { server } = await serve({ isTcp });
    const commands = [
      'write -P 1 0 1M',
      'write -P 2 4095 8194',
      'write -z 64k 64k',
      'discard 256k 64k',
      'write -f -P 3 1M 1234',
      'flush',
      'read -P 1 0 4095',
      'read -P 2 4095 8194',
      'read -P 1 12289 53247',
      'read -P 0 64k 64k',
      'read -P 1 128k 128k',
      'read -P 0 256k 64k',
      'read -P 3 1M 1234',
      'read -P 0 2M 2M',
    ];
    const said = await run('qemu-io', ['-f', 'raw', '-t', 'none', ...commands.flatMap((one) => ['-c', one]), uriOf(server)]);
    expect(said).not.toMatch(/failed|mismatch/i);
    expect(said.match(/^read /gm)).toHaveLength(8);
  });

  it('qemu-img converts, compares and maps it', async () => {
    const { server } = await serve({ isTcp });
    const dir = await testDir();
    const [file, back] = [join(dir, 'file'), join(dir, 'back')];
    const handle = await open(file, 'w');
    await handle.truncate(4 * mebibyte);
    await handle.write(randomBytes(mebibyte), 0, mebibyte, mebibyte);
    await handle.close();
    await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', file, uriOf(server)]);
    expect(await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', file, uriOf(server)])).toContain('identical');
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uriOf(server), back]);
    expect((await readFile(back)).equals(await readFile(file))).toBe(true);
    const map = JSON.parse(await run('qemu-img', ['map', '--output=json', '-f', 'raw', uriOf(server)])) as {
      data: boolean;
      start: number;
      length: number;
    }[];
    expect(map.filter(({ data }) => data)).toMatchObject([{ start: mebibyte, length: mebibyte }]);
  });

  it('fio reads back what it wrote', async () => {
    const { server } = await serve({ isTcp, sizeBytes: 16 * mebibyte });
    const said = await run('fio', [
      '--name=verify',
      '--ioengine=nbd',
      `--uri=${uriOf(server)}`,
      '--rw=randwrite',
      '--bsrange=512-64k',
      '--bs_unaligned=0',
      '--iodepth=16',
      '--size=16m',
      '--verify=crc32c',
      '--verify_fatal=1',
      '--fsync=32',
      '--output-format=json',
    ]);
    const report = JSON.parse(said.slice(said.indexOf('{'))) as { jobs: { error: number; read: { total_ios: number } }[] };
    expect(report.jobs[0]?.error).toBe(0);
    expect(report.jobs[0]?.read.total_ios).toBeGreaterThan(100);
  });
});
