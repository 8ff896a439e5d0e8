/** Keys of the index: a letter for the kind of row, then big-endian numbers, so that rows of one kind stand in their order. */

const kinds = { blob: 0x42, layer: 0x4c, meta: 0x4d, stripe: 0x53, sums: 0x43 } as const;

export const catalogKey = metaKey(1);
export const appliedLsnKey = metaKey(2);
export const nextStripeIdKey = metaKey(3);

export function layerPageKey(layer: number, page: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = kinds.layer;
  key.writeUInt32BE(layer, 1);
  key.writeUInt32BE(page, 5);
  return key;
}

export function pageOfKey(key: Buffer): number {
  return key.readUInt32BE(5);
}

export function stripeKey(stripeId: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = kinds.stripe;
  key.writeUIntBE(stripeId, 1, 6);
  return key;
}

export function stripeIdOfKey(key: Buffer): number {
  return key.readUIntBE(1, 6);
}

export function sumsKey(stripeId: number, place: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key[0] = kinds.sums;
  key.writeUIntBE(stripeId, 1, 6);
  key[7] = place;
  return key;
}

/** Of 32 hex digits. */
export function blobKey(blobId: string): Buffer {
  return Buffer.concat([Buffer.of(kinds.blob), Buffer.from(blobId, 'hex')]);
}

export function blobIdOfKey(key: Buffer): string {
  return key.toString('hex', 1);
}

/** The first key that is above all of its kind. */
export function keyBeyond(kind: keyof typeof kinds): Buffer {
  return Buffer.of(kinds[kind] + 1);
}

function metaKey(which: number): Buffer {
  return Buffer.of(kinds.meta, which);
}
