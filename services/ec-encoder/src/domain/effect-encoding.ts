/**
 * Effects of a stripe in the head of its shards, little-endian, each begun with its kind:
 * 1 blocks (26 bytes): layer u32, firstBlock u48, blocks u32, offset in the payload u32 in blocks, lsn u56.
 * 2 zeroes (24 bytes): layer u32, firstBlock u48, blocks u48, lsn u56.
 * 3 blob, 4 the last part of a blob (28 bytes): id 16 bytes, part u24, offset u32, length u32.
 * 5 catalog: version u56, length u32, JSON.
 */
import { blockBytes } from './geometry.ts';
import { RecordError } from './record-errors.ts';
import type { Effect } from './stripe.ts';

const sizes = { blocks: 26, zeroes: 24, blob: 28, catalog: 12 } as const satisfies Record<Effect['kind'], number>;
const two32 = 2 ** 32;

export function effectsBytes(effects: readonly Effect[]): number {
  return effects.reduce((sum, effect) => sum + sizes[effect.kind] + (effect.kind === 'catalog' ? Buffer.byteLength(effect.json) : 0), 0);
}

/** Throws RangeError for a number that its field cannot hold. */
export function encodeEffects(effects: readonly Effect[], into: Buffer, from: number): void {
  let at = from;
  for (const effect of effects) {
    switch (effect.kind) {
      case 'blocks':
        into.writeUInt8(1, at);
        into.writeUInt32LE(effect.layer, at + 1);
        into.writeUIntLE(effect.firstBlock, at + 5, 6);
        into.writeUInt32LE(effect.blocks, at + 11);
        if (effect.offsetBytes % blockBytes !== 0) {
          throw new RangeError(`blocks begin at the odd offset ${effect.offsetBytes}`);
        }
        into.writeUInt32LE(effect.offsetBytes / blockBytes, at + 15);
        writeUInt56(into, effect.lsn, at + 19);
        break;
      case 'zeroes':
        into.writeUInt8(2, at);
        into.writeUInt32LE(effect.layer, at + 1);
        into.writeUIntLE(effect.firstBlock, at + 5, 6);
        into.writeUIntLE(effect.blocks, at + 11, 6);
        writeUInt56(into, effect.lsn, at + 17);
        break;
      case 'blob':
        if (!/^[0-9a-f]{32}$/.test(effect.blobId)) {
          throw new RangeError(`${effect.blobId} is no blob id`);
        }
        into.writeUInt8(effect.isLast ? 4 : 3, at);
        into.write(effect.blobId, at + 1, 'hex');
        into.writeUIntLE(effect.part, at + 17, 3);
        into.writeUInt32LE(effect.offsetBytes, at + 20);
        into.writeUInt32LE(effect.lengthBytes, at + 24);
        break;
      case 'catalog': {
        const lengthBytes = into.write(effect.json, at + sizes.catalog);
        into.writeUInt8(5, at);
        writeUInt56(into, effect.version, at + 1);
        into.writeUInt32LE(lengthBytes, at + 8);
        at += lengthBytes;
        break;
      }
    }
    at += sizes[effect.kind];
  }
}

/** Throws RecordError CORRUPT unless they are so many and take all the bytes. */
export function decodeEffects(bytes: Buffer, count: number): Effect[] {
  const effects: Effect[] = [];
  try {
    let at = 0;
    while (at < bytes.length) {
      const effect = decodeEffect(bytes, at);
      effects.push(effect);
      at += effectsBytes([effect]);
    }
    if (at !== bytes.length || effects.length !== count) {
      throw new RangeError(`${effects.length} effects of ${count}`);
    }
  } catch (cause) {
    throw new RecordError('CORRUPT', { reason: 'its effects cannot be read' }, { cause });
  }
  return effects;
}

function decodeEffect(bytes: Buffer, at: number): Effect {
  const kind = bytes.readUInt8(at);
  switch (kind) {
    case 1:
      return {
        kind: 'blocks',
        layer: bytes.readUInt32LE(at + 1),
        firstBlock: bytes.readUIntLE(at + 5, 6),
        blocks: bytes.readUInt32LE(at + 11),
        offsetBytes: bytes.readUInt32LE(at + 15) * blockBytes,
        lsn: readUInt56(bytes, at + 19),
      };
    case 2:
      return {
        kind: 'zeroes',
        layer: bytes.readUInt32LE(at + 1),
        firstBlock: bytes.readUIntLE(at + 5, 6),
        blocks: bytes.readUIntLE(at + 11, 6),
        lsn: readUInt56(bytes, at + 17),
      };
    case 3:
    case 4:
      return {
        kind: 'blob',
        blobId: bytes.toString('hex', at + 1, at + 17),
        part: bytes.readUIntLE(at + 17, 3),
        isLast: kind === 4,
        offsetBytes: bytes.readUInt32LE(at + 20),
        lengthBytes: bytes.readUInt32LE(at + 24),
      };
    case 5: {
      const from = at + sizes.catalog;
      const to = from + bytes.readUInt32LE(at + 8);
      return { kind: 'catalog', version: readUInt56(bytes, at + 1), json: bytes.toString('utf8', from, to) };
    }
    default:
      throw new RangeError(`an effect of the unknown kind ${kind}`);
  }
}

function writeUInt56(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value % two32, at);
  into.writeUIntLE(Math.floor(value / two32), at + 4, 3);
}

function readUInt56(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUIntLE(at + 4, 3) * two32;
}
