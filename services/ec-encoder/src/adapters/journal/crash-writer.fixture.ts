/** A process that writes to a journal until it is killed, and says on its standard output what it is about to do and what was acknowledged. */
import { writeSync } from 'node:fs';
import type { Logger } from '@couchestor/shared/logger';
import { referenceChecksums } from '../../domain/codec/crc32c.ts';
import { Journal } from './journal.ts';

const [dirs = '', applied = '0', seed = '1', mode = 'write'] = process.argv.slice(2);
const blocks = 200;
const say = (...words: (string | number)[]) => writeSync(1, `${words.join(' ')}\n`);
const silent = { warn: () => undefined, error: () => undefined } as unknown as Logger;

let state = Number(seed);
/** A number below `below`; the same ones for the same seed. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

const journal = await Journal.open({
  places: dirs.split(',').map((path) => ({ path, domain: path })),
  vaultId: 'crash',
  replicationFactor: dirs.split(',').length,
  sizeBytes: 1024 * 1024,
  segmentBytes: 256 * 1024,
  appliedLsn: Number(applied),
  checksums: referenceChecksums,
  logger: silent,
});

const into = Buffer.alloc(4096);
for (let block = 0; block < blocks; block += 1) {
  const entry = journal.find(1, block);
  if (entry !== undefined) {
    if (entry.kind === 'data') {
      await journal.read(entry, into);
    }
    const stamp = into.readUInt32LE(0);
    const isWhole =
      entry.kind === 'zero' || Array.from({ length: 1024 }, (_, word) => into.readUInt32LE(word * 4)).every((word) => word === stamp);
    say('HAS', block, entry.lsn, entry.kind === 'zero' ? 'zero' : isWhole ? stamp : 'torn');
  }
}
say('OPEN', journal.lastLsn);

let next = Number(seed) * 100_000;
async function write(): Promise<void> {
  for (;;) {
    next += 1;
    const id = next;
    const first = random(blocks - 8);
    const count = 1 + random(8);
    const kind = random(20);
    let done: Promise<number>;
    if (kind === 0) {
      say('DO', id, 'zero', first, count);
      done = journal.zero({ layer: 1, firstBlock: first, blocks: count });
    } else if (kind === 1) {
      say('DO', id, 'mapped', first, count, journal.lastLsn);
      done = journal.mapped({ layer: 1, firstBlock: first, blocks: count, upTo: journal.lastLsn });
    } else {
      say('DO', id, 'data', first, count);
      const data = Buffer.alloc(count * 4096);
      new Uint32Array(data.buffer, data.byteOffset, data.length / 4).fill(id);
      done = journal.append({ layer: 1, firstBlock: first, data: [data.subarray(0, 1000), data.subarray(1000)] });
    }
    say('DONE', id, await done);
    if (journal.fill().usedBytes > 600_000) {
      const cut = journal.lastLsn - random(50);
      say('RELEASE', cut);
      await journal.release(cut);
    }
  }
}

if (mode === 'write') {
  for (let writer = 0; writer < 6; writer += 1) {
    void write();
  }
} else {
  await journal.close();
}
