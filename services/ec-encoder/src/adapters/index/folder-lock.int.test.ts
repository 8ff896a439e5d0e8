import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeFolderLock } from './folder-lock.ts';
import { withFolder } from './index.fixture.ts';

/** A process that listens on a socket `lock.*` in the folder and says so, as a holder does. */
async function holdElsewhere(dir: string): Promise<{ pid: number; kill(): Promise<void>; stop(): void }> {
  const script = `require('net').createServer((socket) => socket.end('held ' + process.pid)).listen(process.argv[1], () => console.log('held'));`;
  const child = spawn(process.execPath, ['-e', script, join(dir, 'lock.0123456789abcdef')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? expect.unreachable(),
    stop: () => child.kill('SIGSTOP'),
    kill: async () => {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    },
  };
}

describe('the lock of a data folder', () => {
  it('is refused while its holder lives, which is named, and free once the holder is killed', () =>
    withFolder(async (dir) => {
      const holder = await holdElsewhere(dir);
      await expect(takeFolderLock(dir)).rejects.toMatchObject({ code: 'INDEX_LOCKED', facts: { pid: holder.pid } });
      await holder.kill();
      expect(await readdir(dir)).toEqual(['lock.0123456789abcdef']);
      const lock = await takeFolderLock(dir);
      await expect(takeFolderLock(dir)).rejects.toMatchObject({ code: 'INDEX_LOCKED' });
      await lock.release();
      expect(await readdir(dir)).toEqual([]);
    }));

  it('is refused while its holder hangs', () =>
    withFolder(async (dir) => {
      const holder = await holdElsewhere(dir);
      holder.stop();
      await expect(takeFolderLock(dir)).rejects.toMatchObject({ code: 'INDEX_LOCKED' });
      await holder.kill();
    }));

  it('goes to one of many who find a stale lock at the same moment', () =>
    withFolder(async (dir) => {
      for (let round = 0; round < 10; round += 1) {
        await (await holdElsewhere(dir)).kill();
        const taken = (await Promise.allSettled(Array.from({ length: 6 }, () => takeFolderLock(dir)))).flatMap((one) =>
          one.status === 'fulfilled' ? [one.value] : [],
        );
        expect(taken.length).toBe(1);
        await expect(takeFolderLock(dir)).rejects.toMatchObject({ code: 'INDEX_LOCKED' });
        await taken[0]?.release();
      }
    }));

  it('works in folders whose path is longer than that of a socket may be', () =>
    withFolder(async (dir) => {
      const long = join(dir, 'x'.repeat(120));
      await mkdir(long);
      await symlink(long, join(dir, 'short'));
      const lock = await takeFolderLock(long);
      await expect(takeFolderLock(join(dir, 'short'))).rejects.toMatchObject({ code: 'INDEX_LOCKED' });
      await lock.release();
    }));
});
