/** Does to files what it is told, each on a thread of its own, and answers with what came of it. */
import fs from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/**
 * @typedef {{ id: string, deed: string, path: string, text: string, position?: number, parts: string[] }} Deed
 * @type {Record<string, (deed: Deed) => unknown>}
 */
const deeds = {
  write: ({ path, text, position }) => withFile(path, 'r+', (fd) => fs.writeSync(fd, text, position ?? 0)),
  writeParts: ({ path, parts }) =>
    withFile(path, 'r+', (fd) =>
      fs.writevSync(
        fd,
        parts.map((part) => Buffer.from(part)),
        0,
      ),
    ),
  create: ({ path, text }) => withFile(path, 'wx', (fd) => fs.writeSync(fd, text)),
  read: ({ path }) => fs.readFileSync(path, 'utf8'),
  sync: ({ path }) => withFile(path, 'r+', (fd) => fs.fdatasyncSync(fd)),
  room: ({ path }) => {
    const { bsize, blocks, bavail } = fs.statfsSync(path);
    return [(blocks * bsize) / 2 ** 20, (bavail * bsize) / 2 ** 20];
  },
  unlink: ({ path }) => fs.unlinkSync(path),
};

/**
 * @param {string} path
 * @param {string} flags
 * @param {(fd: number) => unknown} work
 */
function withFile(path, flags, work) {
  const fd = fs.openSync(path, flags);
  try {
    return work(fd);
  } finally {
    fs.closeSync(fd);
  }
}

if (isMainThread) {
  process.on('message', (/** @type {Deed} */ deed) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: deed });
    worker.on('message', (answer) => process.send?.({ ...answer, id: deed.id }));
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ id: 'ready' });
} else {
  const { parentPort } = await import('node:worker_threads');
  try {
    parentPort?.postMessage({ result: deeds[workerData.deed]?.(workerData) ?? 'done' });
  } catch (error) {
    parentPort?.postMessage({ code: /** @type {NodeJS.ErrnoException} */ (error).code });
  }
}
