/** The drives of a vault by their number, and what a writer or reader wants to know of them all. */
import type { Drive } from '../adapters/drive/drive.ts';
import type { PlacementDrive } from '../domain/placement.ts';

export class DriveSet {
  readonly #drives = new Map<number, Drive>();

  get(number: number): Drive | undefined {
    return this.#drives.get(number);
  }

  /** A drive that takes another's number takes its place. */
  set(drive: Drive): void {
    this.#drives.set(drive.number, drive);
  }

  delete(number: number): void {
    this.#drives.delete(number);
  }

  all(): readonly Drive[] {
    return [...this.#drives.values()].sort((a, b) => a.number - b.number);
  }

  /** Those that new shards may go to, and have room for one. */
  takers(recordBytes: number, o: { useReserve: boolean }): PlacementDrive[] {
    return this.all()
      .filter((drive) => drive.state === 'online')
      .map((drive) => ({ drive, space: drive.space() }))
      .filter(({ space }) => space.freeBytes - (o.useReserve ? 0 : space.reservedBytes) >= recordBytes)
      .map(({ drive, space }) => ({
        number: drive.number,
        domain: drive.domain,
        freeBytes: space.freeBytes,
        totalBytes: space.totalBytes,
      }));
  }

  /** Whether its shards count as there: it may be slow, or on its way out, but it is not gone. */
  holds(number: number): boolean {
    const state = this.#drives.get(number)?.state;
    return state !== undefined && state !== 'failed';
  }
}
