/**
 * Replies on their way to a client.
 *
 * What is answered at once in a turn of the event loop is put side by side into one memory and leaves with one write. A read that takes longer
 * keeps its place in the memory (a slot) and is sent from there when it is done.
 */
import type { Socket } from 'node:net';
import type { MemoryPool, PooledMemory } from './memory-pool.ts';

const runBytesMax = 262_144;
/** Longer replies have a memory each. */
export const sharedReplyBytesMax = 65_536;

export interface Slot {
  readonly bytes: Buffer;
  /** Undefined for bytes that are nobody else's. */
  readonly memory: PooledMemory | undefined;
}

export class ReplyWriter {
  readonly #socket: Socket;
  readonly #pool: MemoryPool;
  readonly #onSent: (chargeBytes: number) => void;
  #memory: PooledMemory | undefined;
  /** The run [#from, #to) of #memory is answered and not queued. */
  #from = 0;
  #to = 0;
  #queue: Slot[] = [];
  /** In the socket. */
  readonly #batches: { readonly slots: readonly Slot[]; readonly chargeBytes: number }[] = [];
  readonly #onBatchSent = () => this.#sent();
  #chargeBytes = 0;
  #unsentBytes = 0;

  constructor(o: { socket: Socket; pool: MemoryPool; onSent: (chargeBytes: number) => void }) {
    this.#socket = o.socket;
    this.#pool = o.pool;
    this.#onSent = o.onSent;
  }

  /** Of replies: queued here, or waiting in the socket. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** That of the last `reserve`. */
  get bytes(): Buffer {
    if (this.#memory === undefined) {
      throw new Error('nothing was reserved');
    }
    return this.#memory.bytes;
  }

  /** Where in `bytes` the next `lengthBytes` (at most sharedReplyBytesMax) of a reply go. They are the writer's again unless it is committed or detached at once. */
  reserve(lengthBytes: number): number {
    const memory = this.#memory;
    if (memory === undefined || this.#to + lengthBytes > memory.bytes.length) {
      this.#retire();
      this.#memory = this.#pool.take(runBytesMax);
      this.#from = 0;
      this.#to = 0;
    }
    return this.#to;
  }

  /** What was put at the place reserved is a whole reply. `chargeBytes` are told to onSent once it has been sent. */
  commit(lengthBytes: number, chargeBytes: number): void {
    this.#to += lengthBytes;
    this.#unsentBytes += lengthBytes;
    this.#chargeBytes += chargeBytes;
  }

  /** What was put at the place reserved will be a reply later. */
  detach(lengthBytes: number): Slot {
    const memory = this.#memory;
    if (memory === undefined) {
      throw new Error('nothing was reserved');
    }
    this.#closeRun();
    const bytes = memory.bytes.subarray(this.#to, this.#to + lengthBytes);
    memory.users += 1;
    this.#to += lengthBytes;
    this.#from = this.#to;
    return { bytes, memory };
  }

  /** Memory of its own, for a reply of any length. */
  slot(lengthBytes: number): Slot {
    const memory = this.#pool.take(lengthBytes);
    memory.users += 1;
    return { bytes: memory.bytes.subarray(0, lengthBytes), memory };
  }

  send(slot: Slot, chargeBytes: number): void {
    this.#closeRun();
    this.#queue.push(slot);
    this.#unsentBytes += slot.bytes.length;
    this.#chargeBytes += chargeBytes;
  }

  /** It is not sent after all. */
  release(slot: Slot): void {
    this.#leave(slot.memory);
  }

  /** Hands over to the socket what has been committed and sent. */
  flush(): void {
    this.#closeRun();
    const slots = this.#queue;
    const last = slots.at(-1);
    if (last === undefined) {
      return;
    }
    this.#queue = [];
    this.#batches.push({ slots, chargeBytes: this.#chargeBytes });
    this.#chargeBytes = 0;
    if (slots.length > 1) {
      this.#socket.cork();
    }
    for (const slot of slots) {
      this.#socket.write(slot.bytes, slot === last ? this.#onBatchSent : undefined);
    }
    if (slots.length > 1) {
      this.#socket.uncork();
    }
  }

  /** The socket tells of the batches in the order in which it was given them. */
  #sent(): void {
    const batch = this.#batches.shift();
    if (batch === undefined) {
      return;
    }
    // What a destroyed socket still does with the memory is not known: it is left to the garbage collector.
    const isSafe = !this.#socket.destroyed;
    for (const { bytes, memory } of batch.slots) {
      this.#unsentBytes -= bytes.length;
      if (isSafe) {
        this.#leave(memory);
      }
    }
    this.#onSent(batch.chargeBytes);
  }

  #closeRun(): void {
    const memory = this.#memory;
    if (memory !== undefined && this.#to > this.#from) {
      memory.users += 1;
      this.#queue.push({ bytes: memory.bytes.subarray(this.#from, this.#to), memory });
      this.#from = this.#to;
    }
  }

  #leave(memory: PooledMemory | undefined): void {
    if (memory === undefined) {
      return;
    }
    memory.users -= 1;
    if (memory.users > 0) {
      return;
    }
    if (memory !== this.#memory) {
      this.#pool.give(memory);
    } else if (this.#from === this.#to) {
      this.#memory = undefined;
      this.#pool.give(memory);
    }
  }

  #retire(): void {
    this.#closeRun();
    const memory = this.#memory;
    this.#memory = undefined;
    if (memory?.users === 0) {
      this.#pool.give(memory);
    }
  }
}
