/**
 * Which generation of each block of a volume has been acknowledged: a file of 32-bit numbers behind a short header.
 *
 * A write is announced here, then done on the replicas, then acknowledged here. A process killed in between leaves at most the one announced
 * write in doubt, which is completed at the next start. The page cache survives `kill -9`; a power cut is not what the simulator is about.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { SimulatorError } from '../errors.ts';

const headerBytes = 32;
const magicAndVersion = Buffer.from('CSGL\x01\0\0\0', 'latin1');
const announcedAt = 16;

export class GenerationLedger {
  #generations: Uint32Array;
  readonly #fd: number;
  readonly #announcement = Buffer.alloc(8);
  readonly #word = Buffer.alloc(4);
  #acknowledged = 0;
  #blocksWritten = 0;

  private constructor(fd: number, generations: Uint32Array) {
    this.#fd = fd;
    this.#generations = generations;
    for (const generation of generations) {
      this.#acknowledged += generation;
      this.#blocksWritten += generation > 0 ? 1 : 0;
    }
  }

  static create(path: string, blocks: number): GenerationLedger {
    const fd = openSync(path, 'w+');
    writeSync(fd, magicAndVersion, 0, magicAndVersion.length, 0);
    ftruncateSync(fd, headerBytes + blocks * 4);
    return new GenerationLedger(fd, new Uint32Array(blocks));
  }

  static open(path: string, blocks: number): GenerationLedger {
    const fd = openSync(path, 'r+');
    const header = Buffer.alloc(magicAndVersion.length);
    readSync(fd, header, 0, header.length, 0);
    if (!header.equals(magicAndVersion)) {
      closeSync(fd);
      throw new SimulatorError('STATE_INVALID', { file: path, problem: 'not a ledger of this version' });
    }
    if (fstatSync(fd).size < headerBytes + blocks * 4) {
      // A resize was stored, but not yet done here.
      ftruncateSync(fd, headerBytes + blocks * 4);
    }
    const generations = new Uint32Array(blocks);
    readSync(fd, generations, 0, blocks * 4, headerBytes);
    return new GenerationLedger(fd, generations);
  }

  /** Writes acknowledged so far, over all blocks. */
  get acknowledgedWrites(): number {
    return this.#acknowledged;
  }

  get blocksWritten(): number {
    return this.#blocksWritten;
  }

  get blocks(): number {
    return this.#generations.length;
  }

  generationOf(block: number): number {
    return this.#generations[block] ?? 0;
  }

  announce(block: number, generation: number): void {
    this.#announcement.writeUInt32LE(block, 0);
    this.#announcement.writeUInt32LE(generation, 4);
    writeSync(this.#fd, this.#announcement, 0, 8, announcedAt);
  }

  acknowledge(block: number, generation: number): void {
    this.#word.writeUInt32LE(generation, 0);
    writeSync(this.#fd, this.#word, 0, 4, headerBytes + block * 4);
    const before = this.generationOf(block);
    this.#acknowledged += generation - before;
    this.#blocksWritten += before === 0 ? 1 : 0;
    this.#generations[block] = generation;
  }

  /** The write that was announced and neither finished nor given up. */
  inDoubt(): { block: number; generation: number } | undefined {
    readSync(this.#fd, this.#announcement, 0, 8, announcedAt);
    const block = this.#announcement.readUInt32LE(0);
    const generation = this.#announcement.readUInt32LE(4);
    return generation > 0 && block < this.blocks && generation > this.generationOf(block) ? { block, generation } : undefined;
  }

  resize(blocks: number): void {
    ftruncateSync(this.#fd, headerBytes + blocks * 4);
    const larger = new Uint32Array(blocks);
    larger.set(this.#generations.subarray(0, blocks));
    this.#generations = larger;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
