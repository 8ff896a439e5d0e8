/** Sizes as people write them. */
const factors: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40, P: 2 ** 50 };
const blockBytes = 4_096;

/**
 * `10GiB`, `512M`, `1.5T`, `4096`. Throws a RangeError that says what to write.
 *
 * @returns bytes, a multiple of 4 KiB. `10GB` is refused rather than guessed: it means one thing to a disk's maker and another to its owner.
 */
export function parseSize(text: string): number {
  const [, digits, unit = '', ending = ''] = /^\s*(\d{1,16}(?:\.\d{1,6})?)\s*([KMGTP]?)(iB|B)?\s*$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new RangeError(`"${text}" is not a size: write digits and a unit, for example 10GiB or 512MiB`);
  }
  if (unit !== '' && ending.toLowerCase() === 'b') {
    throw new RangeError(`"${text}" may mean two sizes: write ${digits}${unit.toUpperCase()}iB`);
  }
  const bytes = Number(digits) * (factors[unit.toUpperCase()] ?? 1);
  if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % blockBytes !== 0) {
    throw new RangeError(`"${text}" is not a multiple of 4 KiB above zero`);
  }
  return bytes;
}
