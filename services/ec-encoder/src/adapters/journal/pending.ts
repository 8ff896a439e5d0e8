/** Records on their way to disk, oldest first, in a ring of typed arrays: nothing is allocated for one. */
import type { RecordFields } from '../../domain/journal-record.ts';

export type Settle = ((lsn: number) => void) | undefined;

export class PendingRecords {
  #slots = 1024;
  #first = 0;
  count = 0;
  #ends = new Float64Array(this.#slots);
  #lsns = new Float64Array(this.#slots);
  #upTos = new Float64Array(this.#slots);
  #handles = new Float64Array(this.#slots);
  #numbers = new Uint32Array(this.#slots * 4);
  #settles = new Array<Settle>(this.#slots).fill(undefined);
  #rejects = new Array<((error: Error) => void) | undefined>(this.#slots).fill(undefined);

  /** `endBytes` is where the record ends in the stream, `handle` where its first block is. */
  push(r: RecordFields, o: { endBytes: number; handle: number; settle: Settle; reject: ((error: Error) => void) | undefined }): void {
    if (this.count === this.#slots) {
      this.#grow();
    }
    const slot = (this.#first + this.count) & (this.#slots - 1);
    this.count += 1;
    this.#ends[slot] = o.endBytes;
    this.#lsns[slot] = r.lsn;
    this.#upTos[slot] = r.upTo;
    this.#handles[slot] = o.handle;
    this.#numbers[slot * 4] = r.kind;
    this.#numbers[slot * 4 + 1] = r.layer;
    this.#numbers[slot * 4 + 2] = r.firstBlock;
    this.#numbers[slot * 4 + 3] = r.blocks;
    this.#settles[slot] = o.settle;
    this.#rejects[slot] = o.reject;
  }

  /** Where the oldest ends; infinite where there is none. */
  get firstEndBytes(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : (this.#ends[this.#first] ?? 0);
  }

  /** Takes the oldest away into `into`. */
  shift(into: RecordFields & { handle: number }): Settle {
    const slot = this.#first;
    into.lsn = this.#lsns[slot] ?? 0;
    into.upTo = this.#upTos[slot] ?? 0;
    into.handle = this.#handles[slot] ?? 0;
    into.kind = (this.#numbers[slot * 4] ?? 0) as RecordFields['kind'];
    into.layer = this.#numbers[slot * 4 + 1] ?? 0;
    into.firstBlock = this.#numbers[slot * 4 + 2] ?? 0;
    into.blocks = this.#numbers[slot * 4 + 3] ?? 0;
    const settle = this.#settles[slot];
    this.#settles[slot] = undefined;
    this.#rejects[slot] = undefined;
    this.#first = (slot + 1) & (this.#slots - 1);
    this.count -= 1;
    return settle;
  }

  rejectAll(error: Error): void {
    for (; this.count > 0; this.count -= 1) {
      this.#rejects[this.#first]?.(error);
      this.#settles[this.#first] = undefined;
      this.#rejects[this.#first] = undefined;
      this.#first = (this.#first + 1) & (this.#slots - 1);
    }
  }

  #grow(): void {
    const order = Array.from({ length: this.#slots }, (_, index) => (this.#first + index) & (this.#slots - 1));
    const floats = (old: Float64Array) => {
      const grown = new Float64Array(old.length * 2);
      order.forEach((slot, index) => {
        grown[index] = old[slot] ?? 0;
      });
      return grown;
    };
    const numbers = new Uint32Array(this.#numbers.length * 2);
    order.forEach((slot, index) => {
      numbers.set(this.#numbers.subarray(slot * 4, slot * 4 + 4), index * 4);
    });
    this.#ends = floats(this.#ends);
    this.#lsns = floats(this.#lsns);
    this.#upTos = floats(this.#upTos);
    this.#handles = floats(this.#handles);
    this.#numbers = numbers;
    const more = new Array<undefined>(this.#slots).fill(undefined);
    this.#settles = [...order.map((slot) => this.#settles[slot]), ...more];
    this.#rejects = [...order.map((slot) => this.#rejects[slot]), ...more];
    this.#first = 0;
    this.#slots *= 2;
  }
}
