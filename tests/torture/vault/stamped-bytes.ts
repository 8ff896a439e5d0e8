/** Bytes that say which operation wrote them, and where: so whatever is read back tells what happened. */

/** What a value is told of: no write is smaller, and none begins or ends within one. */
export const unitBytes = 512;
const unitWords = unitBytes / 4;

/** Nothing was ever written there, or it was zeroed. */
export const zeroValue = 0;
/** Neither zeros nor what any operation wrote there. */
export const strangeValue = -1;
/** The read failed. */
export const unreadableValue = -2;

/** The bytes that operation `value` writes from the unit on. */
export function stampedBytes(o: { value: number; firstUnit: number; units: number; salt: number }): Buffer {
  const words = new Uint32Array(o.units * unitWords);
  for (let unit = 0; unit < o.units; unit += 1) {
    stamp(words, unit * unitWords, o.value, o.firstUnit + unit, o.salt);
  }
  return Buffer.from(words.buffer);
}

/** Which operation wrote each unit. `salt` tells volumes and blobs apart. */
export function valuesOf(bytes: Buffer, o: { firstUnit: number; salt: number }): Int32Array {
  const copy = new Uint8Array(bytes);
  const words = new Uint32Array(copy.buffer, 0, Math.floor(copy.length / 4));
  const values = new Int32Array(Math.floor(bytes.length / unitBytes));
  const expected = new Uint32Array(unitWords);
  for (let unit = 0; unit < values.length; unit += 1) {
    const at = unit * unitWords;
    const value = words[at] ?? 0;
    if (value === zeroValue) {
      expected.fill(0);
    } else {
      stamp(expected, 0, value, o.firstUnit + unit, o.salt);
    }
    values[unit] = expected.every((word, index) => words[at + index] === word) ? value : strangeValue;
  }
  return values;
}

function stamp(words: Uint32Array, at: number, value: number, unit: number, salt: number): void {
  words[at] = value;
  words[at + 1] = unit;
  let state = (Math.imul(value, 0x9e3779b1) ^ Math.imul(unit + 1, 0x85ebca77) ^ Math.imul(salt + 1, 0xc2b2ae3d)) >>> 0;
  for (let index = 2; index < unitWords; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[at + index] = state;
  }
}
