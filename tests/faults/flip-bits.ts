/** Damage that a disk does without telling. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/** Turns over `count` different bits of a file, picked by `random`, and answers where: byte offsets. The file may be open elsewhere. */
export function flipBits(path: string, random: () => number, count: number): number[] {
  const fd = openSync(path, 'r+');
  try {
    const bits = fstatSync(fd).size * 8;
    if (count > bits) {
      throw new RangeError(`${path} has ${bits} bits, and ${count} were to be turned over`);
    }
    const picked = new Set<number>();
    while (picked.size < count) {
      picked.add(Math.floor(random() * bits));
    }
    const byte = Buffer.alloc(1);
    for (const bit of picked) {
      readSync(fd, byte, 0, 1, Math.floor(bit / 8));
      byte.writeUInt8(byte.readUInt8(0) ^ (1 << (bit % 8)));
      writeSync(fd, byte, 0, 1, Math.floor(bit / 8));
    }
    return [...picked].map((bit) => Math.floor(bit / 8));
  } finally {
    closeSync(fd);
  }
}
