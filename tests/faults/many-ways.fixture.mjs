/** Changes files in all the ways that Node, its threads and LMDB know, below the folder that it is given. */
import fs from 'node:fs';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { open } from 'lmdb';

/**
 * @param {string} root
 * @param {number} number
 */
function onThread(root, number) {
  const path = join(root, 'threads', `${number}`);
  const fd = fs.openSync(path, 'w+');
  for (let round = 0; round < 20; round += 1) {
    fs.writeSync(fd, Buffer.alloc(1000 + round, number * 20 + round), 0, 1000, round * 900);
    fs.writevSync(fd, [Buffer.alloc(300, round), Buffer.alloc(5000, number)], 20_000 + round * 5300);
    fs.fdatasyncSync(fd);
  }
  fs.ftruncateSync(fd, 100_000);
  fs.closeSync(fd);
}

/** @param {string} root */
async function everything(root) {
  fs.mkdirSync(join(root, 'a', 'b'), { recursive: true });
  fs.mkdirSync(join(root, 'threads'));
  fs.writeFileSync(join(root, 'a', 'file'), 'x'.repeat(10_000));
  fs.appendFileSync(join(root, 'a', 'file'), 'appended');
  fs.copyFileSync(join(root, 'a', 'file'), join(root, 'a', 'copy'));
  fs.renameSync(join(root, 'a', 'copy'), join(root, 'a', 'b', 'moved'));
  fs.writeFileSync(join(root, 'a', 'gone'), 'gone');
  fs.unlinkSync(join(root, 'a', 'gone'));
  fs.truncateSync(join(root, 'a', 'b', 'moved'), 77);
  fs.writeFileSync(join(root, 'a', 'file'), 'written over');
  fs.linkSync(join(root, 'a', 'file'), join(root, 'a', 'link'));
  fs.symlinkSync('file', join(root, 'a', 'symlink'));
  fs.mkdirSync(join(root, 'folder'));
  fs.rmdirSync(join(root, 'folder'));
  fs.mkdtempSync(join(root, 'made-'));
  await fs.promises.writeFile(join(root, 'promised'), Buffer.alloc(300_000, 'p'), { flush: true });
  const handle = await fs.promises.open(join(root, 'promised'), 'r+');
  await handle.writev([Buffer.from('one'), Buffer.from('two')], 4095);
  await handle.sync();
  await handle.close();
  const stream = fs.createWriteStream(join(root, 'streamed'));
  for (let i = 0; i < 50; i += 1) {
    stream.write(`${i},`.repeat(500));
  }
  await new Promise((resolve) => stream.end(resolve));
  fs.renameSync(join(root, 'a'), join(root, 'c'));
  fs.writeFileSync(join(root, 'c', 'b', 'after'), 'in a folder with a new name');
  const threads = [1, 2, 3].map((number) => new Worker(new URL(import.meta.url), { workerData: { root, number } }));
  await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
  const database = open({ path: join(root, 'database'), separateFlushed: true, encoding: 'binary', noMemInit: true });
  for (let round = 0; round < 5; round += 1) {
    for (let key = 0; key < 200; key += 1) {
      database.put(`${key}-${round}`, Buffer.alloc(100 + key * 30, key));
    }
    await database.flushed;
  }
  fs.mkdirSync(join(root, 'backup'));
  await database.backup(join(root, 'backup'), false);
  await database.close();
}

if (isMainThread) {
  await everything(process.argv[2] ?? '');
} else {
  onThread(workerData.root, workerData.number);
}
