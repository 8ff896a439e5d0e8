/** Block volumes of a real vault, a process of its own, in the hands of the clients that people use. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failClient, runClient } from './ec/run-client.ts';
import { VaultProcess } from './ec/vault-process.ts';

const mebibyte = 2 ** 20;
const startTimeoutMs = 60_000;
const testTimeoutMs = 90_000;

let vault: VaultProcess;

beforeAll(async () => {
  vault = await VaultProcess.start({ drives: 8 });
}, startTimeoutMs);

afterAll(async () => {
  const code = await vault.stop();
  const output = vault.output;
  await vault.remove();
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('"message":"stopped"') });
});

async function volume(name: string, mib: number): Promise<void> {
  await vault.client.createVolume({ name, sizeBytes: mib * mebibyte });
}

async function folder(name: string): Promise<string> {
  const path = join(vault.dir, name);
  await mkdir(path, { recursive: true });
  return path;
}

async function isSame(one: string, other: string): Promise<boolean> {
  return (await readFile(one)).equals(await readFile(other));
}

/** Bytes that a copy cannot get right by accident, with holes among them. */
async function imageWithHoles(path: string, mib: number): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(mib * mebibyte);
    for (let at = 0; at < mib; at += 3) {
      await file.write(randomBytes(mebibyte + 4_096), 0, Math.min(mebibyte + 4_096, (mib - at) * mebibyte), at * mebibyte);
    }
  } finally {
    await file.close();
  }
}

describe.each(['unix', 'tcp'] as const)('over %s', (over) => {
  it('nbdinfo sees the volumes of the vault', async () => {
    const name = `info-${over}`;
    await volume(name, 8);
    const about = JSON.parse(await runClient('nbdinfo', ['--json', vault.uri(name, over)])) as { exports: object[] };
    expect(about.exports).toMatchObject([
      { 'export-name': name, 'export-size': 8 * mebibyte, is_read_only: false, can_multi_conn: true, can_flush: true, can_trim: true },
    ]);
    expect(await runClient('nbdinfo', ['--list', vault.uri('', over)])).toContain(`export="${name}"`);
    expect(await runClient('nbdinfo', ['--map', vault.uri(name, over)])).toMatch(/^\s*0\s+8388608\s+3\s+hole,zero\s*$/);
    expect((await failClient('nbdinfo', [vault.uri('nowhere', over)])).output).toMatch(/nowhere|not.*available|No such file/i);
  });

  it('nbdcopy brings an image there and back over several connections', async () => {
    const name = `copy-${over}`;
    const dir = await folder(name);
    await volume(name, 32);
    await imageWithHoles(join(dir, 'image'), 32);
    await runClient('nbdcopy', ['--connections=4', join(dir, 'image'), vault.uri(name, over)]);
    await runClient('nbdcopy', ['--connections=4', vault.uri(name, over), join(dir, 'back')]);
    expect(await isSame(join(dir, 'image'), join(dir, 'back'))).toBe(true);
    expect((await stat(join(dir, 'back'))).blocks * 512).toBeLessThan(16 * mebibyte);
  });

  it('qemu-img converts an image onto a volume, compares, maps, and converts it back', async () => {
    const name = `convert-${over}`;
    const dir = await folder(name);
    const [image, back, uri] = [join(dir, 'image'), join(dir, 'back.qcow2'), vault.uri(name, over)];
    await volume(name, 16);
    await imageWithHoles(image, 16);
    await runClient('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', '-m', '8', '-W', image, uri]);
    expect(await runClient('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', image, uri])).toContain('identical');
    const map = JSON.parse(await runClient('qemu-img', ['map', '--output=json', '-f', 'raw', uri])) as { data: boolean; length: number }[];
    const held = map.filter(({ data }) => data).reduce((sum, { length }) => sum + length, 0);
    expect(held).toBe(6 * mebibyte + 5 * 4_096);
    await runClient('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', uri, back]);
    expect(await runClient('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', image, back])).toContain('identical');
  });

  it('qemu-io finds every pattern as it left it, aligned or not', async () => {
    const name = `patterns-${over}`;
    await volume(name, 8);
    const commands = [
      ...['write -P 1 0 2M', 'write -P 2 4095 8194', 'write -z 64k 64k', 'discard 512k 256k', 'write -f -P 3 3M 1234', 'flush'],
      ...['read -P 1 0 4095', 'read -P 2 4095 8194', 'read -P 1 12289 53247', 'read -P 0 64k 64k', 'read -P 1 128k 384k'],
      ...['read -P 0 512k 256k', 'read -P 1 768k 1280k', 'read -P 3 3M 1234', 'read -P 0 3146962 2M'],
    ];
    const said = await runClient('qemu-io', [
      ...['-f', 'raw', '-t', 'none'],
      ...commands.flatMap((one) => ['-c', one]),
      vault.uri(name, over),
    ]);
    expect(said).not.toMatch(/failed|mismatch/i);
    expect(said.match(/^read /gm)).toHaveLength(9);
  });
});

it(
  'a file system comes back clean, with every byte of its files, after two drives have failed and after they are replaced',
  async () => {
    const dir = await folder('file-system');
    const [image, back, files] = [join(dir, 'image'), join(dir, 'back'), await folder('file-system/files')];
    const sizes = [0, 1, 4_095, 70_000, 3 * mebibyte + 17];
    await Promise.all(sizes.map((size) => writeFile(join(files, `file-${size}`), randomBytes(size))));
    await writeFile(image, '');
    await truncate(image, 48 * mebibyte);
    await runClient('mkfs.ext4', ['-q', '-F', '-d', files, image]);
    await volume('ext4', 48);
    await runClient('nbdcopy', [image, vault.uri('ext4')]);

    const readsWell = async (): Promise<void> => {
      await runClient('nbdcopy', ['--connections=4', vault.uri('ext4', 'tcp'), back]);
      await runClient('e2fsck', ['-fn', back]);
      for (const size of sizes) {
        await runClient('debugfs', ['-R', `dump /file-${size} ${join(dir, 'dumped')}`, back]);
        expect(await isSame(join(files, `file-${size}`), join(dir, 'dumped')), `the file of ${size} bytes`).toBe(true);
      }
    };
    await vault.client.failDrive(2);
    await vault.client.failDrive(vault.drivePath(5));
    await readsWell();
    for (const number of [2, 5]) {
      const place = { path: `${vault.drivePath(number)}-new`, domain: { disk: `disk-${number}` } };
      await vault.finish(await vault.client.replaceDrive({ number, ...place }));
    }
    await vault.untilHealthy();
    expect((await vault.client.listDrives()).map(({ number }) => number)).toEqual([1, 3, 4, 6, 7, 8, 9, 10]);
    await readsWell();
  },
  testTimeoutMs,
);

it(
  'beyond its parity it fails exactly the ranges that it names, reads all others, and has everything again when the drives come back',
  async () => {
    const pieces = 96;
    const piece = 256 * 1_024;
    await volume('three-gone', (pieces * piece) / mebibyte);
    const all = Array.from({ length: pieces }, (_, index) => index);
    const pattern = (index: number): number => 1 + (index % 250);
    const writes = all.map((index) => `write -P ${pattern(index)} ${index * piece} ${piece}`);
    await runClient('qemu-io', ['-f', 'raw', ...writes.flatMap((one) => ['-c', one]), vault.uri('three-gone')]);
    await vault.untilHealthy();

    const gone = (await vault.client.listDrives()).slice(0, 3).map(({ path }) => path);
    for (const path of gone) {
      await rename(path, `${path}.away`);
    }
    await waitUntil(async () => (await vault.status()).drives.filter(({ state }) => state === 'failed').length === 3, {
      timeoutMs: 30_000,
    });
    // Some stripes can still be rebuilt onto the others; then it is known which are lost.
    await vault.finish(await vault.client.begin('rebuild'));
    const { health, map } = await vault.client.showVolume('three-gone');
    expect(health.lost).toBeGreaterThan(0);
    expect(health.lost).toBeLessThan(pieces);
    expect(map).toContain('lost');
    const isLost = (index: number): boolean =>
      health.lostRanges.some(
        ({ offsetBytes, lengthBytes }) => offsetBytes < (index + 1) * piece && index * piece < offsetBytes + lengthBytes,
      );
    /** The pieces that can be read, and are as they were written. */
    const readable = async (): Promise<number[]> => {
      const reads = all.flatMap((index) => ['-c', `read -P ${pattern(index)} ${index * piece} ${piece}`]);
      const { output } = await failClient('qemu-io', ['-r', '-f', 'raw', '-t', 'none', ...reads, vault.uri('three-gone', 'tcp')]);
      expect(output).not.toMatch(/Pattern verification failed/);
      const read = [...output.matchAll(/^read 262144\/262144 bytes at offset (\d+)$/gm)].map(([, offset]) => Number(offset) / piece);
      expect(output.match(/^read failed: Input\/output error$/gm) ?? []).toHaveLength(pieces - read.length);
      return read;
    };
    const { conditions } = await vault.status();
    expect(conditions[0]).toMatchObject({ type: 'Degraded', status: 'True', reason: 'StripesLost' });
    expect(await readable()).toEqual(all.filter((index) => !isLost(index)));

    for (const path of gone) {
      await rename(`${path}.away`, path);
    }
    await vault.untilHealthy();
    expect(await readable()).toEqual(all);
  },
  testTimeoutMs,
);

it(
  'refuses writes with ENOSPC while its drives are full, reads and trims all the same, and writes again once there is room',
  async () => {
    await volume('full', 64);
    const io = async (...commands: string[]): Promise<string> =>
      (await failClient('qemu-io', ['-f', 'raw', '-t', 'none', ...commands.flatMap((one) => ['-c', one]), vault.uri('full')])).output;
    expect(await io('write -P 7 0 8M', 'flush')).toMatch(/^wrote 8388608/m);
    const drives = await vault.client.listDrives();
    await vault.faults.set(drives.map(({ path }) => `enospc ${path}`));
    await waitUntil(async () => (await vault.status()).phase === 'readOnly', { timeoutMs: 20_000, what: 'the vault to notice' });
    expect((await vault.status()).conditions[0]).toMatchObject({ reason: 'DrivesFull', message: expect.stringMatching(/add drives/) });
    expect(await io('write -P 8 8M 4M')).toMatch(/No space left on device/);
    expect(await io('write -P 8 16M 4k')).toMatch(/No space left on device/);
    expect(await io('read -P 7 0 8M', 'read -P 0 8M 4M')).toMatch(/^read 8388608[\s\S]*^read 4194304/m);
    expect(await io('discard 0 4M', 'read -P 0 0 4M', 'read -P 7 4M 4M')).toMatch(
      /^discard 4194304[\s\S]*^read 4194304[\s\S]*^read 4194304/m,
    );
    await vault.client.createVolume({ name: 'thrown-away', sizeBytes: mebibyte });
    await vault.client.removeVolume({ name: 'thrown-away' });
    expect((await vault.readiness())?.ready).toBe(true);

    await vault.faults.set([]);
    await waitUntil(async () => (await vault.status()).phase === 'ready', { timeoutMs: 30_000, what: 'the vault to notice the room' });
    expect(await io('write -P 8 8M 4M', 'flush', 'read -P 8 8M 4M', 'read -P 0 0 4M', 'read -P 7 4M 4M')).not.toMatch(
      /error|failed|No space/i,
    );
    await vault.untilHealthy();
  },
  testTimeoutMs,
);
