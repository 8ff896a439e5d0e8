import { existsSync } from 'node:fs';
import { mkdtemp, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { waitUntil } from '../testing/wait-until.ts';
import { withCacheLock } from './cache-lock.ts';

const newFile = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'couchestor-lock-')), 'deep', 'provision.lock');
const quiet = { onWait: () => undefined };

afterEach(() => void vi.useRealTimers());

test('work under the lock does not overlap, and the lock is gone after it', async () => {
  const file = await newFile();
  const waited: string[] = [];
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside -= 1;
  };
  const options = { onWait: (pid: string) => void waited.push(pid) };
  await Promise.all([1, 2, 3].map(() => withCacheLock(file, options, work)));
  expect(most).toBe(1);
  expect(waited.length).toBeGreaterThan(0);
  expect(existsSync(file)).toBe(false);
});

test('the lock is freed where the work fails', async () => {
  const file = await newFile();
  await expect(withCacheLock(file, quiet, () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
  expect(existsSync(file)).toBe(false);
});

test('a lock whose process is dead is taken over', async () => {
  const file = await newFile();
  await withCacheLock(file, quiet, async () => undefined);
  await writeFile(file, '999999999');
  expect(await withCacheLock(file, quiet, async () => 'done')).toBe('done');
});

test('a lock that is very old is taken over, though its process id is in use', async () => {
  const file = await newFile();
  await withCacheLock(file, quiet, async () => undefined);
  await writeFile(file, String(process.pid));
  await utimes(file, new Date(0), new Date(0));
  expect(await withCacheLock(file, quiet, async () => 'done')).toBe('done');
});

test('a lock stays fresh while its work goes on, however long that takes', async () => {
  const file = await newFile();
  const startedAt = Date.now();
  const hourMs = 60 * 60_000;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'], now: startedAt });
  await withCacheLock(file, quiet, async () => {
    vi.advanceTimersByTime(hourMs);
    await waitUntil(async () => (await stat(file)).mtimeMs > startedAt + hourMs - 2 * 60_000, { what: 'the lock shows that it is held' });
  });
});
