/** The engine in plain TypeScript: what the others are held against, and what serves where they cannot run. */
import { productsOf } from './galois.ts';
import { checkProduct, checkTargetsApart, type MatrixEngine, type MatrixProduct } from './matrix-engine.ts';

export const referenceEngine: MatrixEngine = {
  name: 'reference',
  async multiply(product) {
    multiply(product);
  },
  multiplyNow(product) {
    multiply(product);
    return true;
  },
  async differing(product) {
    const expected = new Uint8Array(checkProduct(product));
    return product.targets.flatMap((target, row) => {
      writeRow(product, row, expected);
      return target.every((byte, at) => byte === expected[at]) ? [] : [row];
    });
  },
};

function multiply(product: MatrixProduct): void {
  checkProduct(product);
  checkTargetsApart(product);
  product.targets.forEach((target, row) => {
    writeRow(product, row, target);
  });
}

function writeRow({ matrix, sources }: MatrixProduct, row: number, target: Uint8Array): void {
  target.fill(0);
  sources.forEach((source, column) => {
    const products = productsOf(matrix.cells[row * matrix.columns + column] ?? 0);
    for (let at = 0; at < target.length; at += 1) {
      target[at] = (target[at] ?? 0) ^ (products[source[at] ?? 0] ?? 0);
    }
  });
}
