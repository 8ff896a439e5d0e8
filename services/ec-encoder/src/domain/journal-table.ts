/**
 * Which record of the journal is a block's newest: open addressing with linear probing over typed arrays, 24 bytes for each slot.
 *
 * Entries up to `floorLsn` are dead. They stay where they are, being nobody's answer, until the table is built anew.
 */
export const slotsMin = 64;
const fullest = 0.7;

export class BlockTable {
  #layers = new Uint32Array(slotsMin);
  #blocks = new Uint32Array(slotsMin);
  /** 0: an empty slot. */
  #lsns = new Float64Array(slotsMin);
  #handles = new Float64Array(slotsMin);
  #mask = slotsMin - 1;
  #used = 0;
  floorLsn = 0;

  get slots(): number {
    return this.#mask + 1;
  }

  /** The slot of a live entry, or -1. */
  slotOf(layer: number, block: number): number {
    const slot = this.#probe(layer, block);
    return (this.#lsns[slot] ?? 0) > this.floorLsn ? slot : -1;
  }

  /** Of all live entries, in no order. */
  *liveSlots(): Iterable<number> {
    for (let slot = 0; slot < this.slots; slot += 1) {
      if (this.#isLive(slot)) {
        yield slot;
      }
    }
  }

  #isLive(slot: number): boolean {
    return (this.#lsns[slot] ?? 0) > this.floorLsn;
  }

  lsnAt(slot: number): number {
    return this.#lsns[slot] ?? 0;
  }

  handleAt(slot: number): number {
    return this.#handles[slot] ?? 0;
  }

  layerAt(slot: number): number {
    return this.#layers[slot] ?? 0;
  }

  blockAt(slot: number): number {
    return this.#blocks[slot] ?? 0;
  }

  set(layer: number, block: number, lsn: number, handle: number): void {
    let slot = this.#probe(layer, block);
    if (this.#lsns[slot] === 0) {
      if (this.#used + 1 > this.slots * fullest) {
        this.#rebuild();
        slot = this.#probe(layer, block);
      }
      this.#used += 1;
      this.#layers[slot] = layer;
      this.#blocks[slot] = block;
    }
    this.#lsns[slot] = lsn;
    this.#handles[slot] = handle;
  }

  /** Closes the gap, so that no probe ends too early. Moves other entries: a slot remembered from before is void. */
  removeSlot(removed: number): void {
    let gap = removed;
    let slot = removed;
    for (;;) {
      slot = (slot + 1) & this.#mask;
      if (this.#lsns[slot] === 0) {
        break;
      }
      const home = this.#home(this.layerAt(slot), this.blockAt(slot));
      // Only what does not lie between the gap and its own home may move back.
      if (((slot - home) & this.#mask) >= ((slot - gap) & this.#mask)) {
        this.#layers[gap] = this.layerAt(slot);
        this.#blocks[gap] = this.blockAt(slot);
        this.#lsns[gap] = this.lsnAt(slot);
        this.#handles[gap] = this.handleAt(slot);
        gap = slot;
      }
    }
    this.#lsns[gap] = 0;
    this.#used -= 1;
  }

  #home(layer: number, block: number): number {
    let hash = Math.imul(layer, 0x9e3779b1) ^ Math.imul(block, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }

  /** The slot of this block, else the empty one where it belongs. */
  #probe(layer: number, block: number): number {
    let slot = this.#home(layer, block);
    while (this.#lsns[slot] !== 0 && (this.#blocks[slot] !== block || this.#layers[slot] !== layer)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  /** Without the dead; with as much room again as the living take. */
  #rebuild(): void {
    const [layers, blocks, lsns, handles] = [this.#layers, this.#blocks, this.#lsns, this.#handles];
    let live = 0;
    for (const lsn of lsns) {
      live += lsn > this.floorLsn ? 1 : 0;
    }
    let slots = slotsMin;
    while (slots * fullest < live * 2) {
      slots *= 2;
    }
    this.#layers = new Uint32Array(slots);
    this.#blocks = new Uint32Array(slots);
    this.#lsns = new Float64Array(slots);
    this.#handles = new Float64Array(slots);
    this.#mask = slots - 1;
    this.#used = live;
    for (let old = 0; old < lsns.length; old += 1) {
      const lsn = lsns[old] ?? 0;
      if (lsn > this.floorLsn) {
        const slot = this.#probe(layers[old] ?? 0, blocks[old] ?? 0);
        this.#layers[slot] = layers[old] ?? 0;
        this.#blocks[slot] = blocks[old] ?? 0;
        this.#lsns[slot] = lsn;
        this.#handles[slot] = handles[old] ?? 0;
      }
    }
  }
}
