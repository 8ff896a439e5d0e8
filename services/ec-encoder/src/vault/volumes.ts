/** The volumes and snapshots of a vault: what makes, changes and shows them. */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  lostRangesMax,
  type SnapshotInfo,
  type VolumeCell,
  type VolumeDetail,
  type VolumeInfo,
  volumeCells,
  volumeCellsMax,
} from '@couchestor/shared/contracts/vault';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { Journal } from '../adapters/journal/journal.ts';
import type { NbdExports } from '../adapters/nbd/block-device.ts';
import {
  type Catalog,
  cloneSnapshot,
  createSnapshot,
  createVolume,
  deleteSnapshot,
  deleteVolume,
  resizeVolume,
  type Volume,
  volumeNamed,
} from '../domain/catalog.ts';
import { blockBytes } from '../domain/geometry.ts';
import { pageBlocks } from '../domain/lba-page.ts';
import { DirectWrites } from './direct-writes.ts';
import { VaultError } from './errors.ts';
import type { VaultVolumes } from './vault-api.ts';
import { type VolumeDeps, VolumeDevice, type VolumeHead } from './volume.ts';
import { WriteGate } from './write-gate.ts';

const pageBytes = pageBlocks * blockBytes;
/** Pages looked at before others get their turn. */
const pagesPerTurn = 200;

export interface VolumesDeps extends VolumeDeps {
  readonly index: IndexStore;
  readonly journal: Journal;
  /** Until nothing acknowledged before the call is in the journal alone. */
  readonly drainJournal: () => Promise<void>;
  /** After the catalog changed: the drives are told, and what was let go is collected. */
  readonly catalogChanged: () => Promise<void>;
  readonly healthOf: (stripeId: number) => 'healthy' | 'degraded' | 'lost';
  readonly now: () => number;
}

interface Look {
  mappedBytes: number;
  readonly stripes: Set<number>;
  readonly degraded: Set<number>;
  readonly lost: Set<number>;
  readonly lostRanges: { offsetBytes: number; lengthBytes: number }[];
  readonly cells: VolumeCell[];
}

export class Volumes implements VaultVolumes {
  readonly #deps: VolumesDeps;
  readonly #heads = new Map<number, VolumeHead>();
  /** Clients connected, by export name. */
  readonly #opened = new Map<string, number>();

  constructor(deps: VolumesDeps) {
    this.#deps = deps;
  }

  /** Volumes as `name`, snapshots as `name@snapshot`. */
  readonly exports: NbdExports = {
    list: () => this.#exportNames().map((name) => ({ name, description: name.includes('@') ? 'snapshot, read-only' : 'volume' })),
    open: async (name) => {
      const head = this.#headOf(name);
      if (head === undefined || head.isLeaving) {
        return undefined;
      }
      const device = new VolumeDevice(this.#deps, head);
      this.#opened.set(name, (this.#opened.get(name) ?? 0) + 1);
      let isOpen = true;
      const close = () => {
        if (isOpen) {
          isOpen = false;
          this.#opened.set(name, (this.#opened.get(name) ?? 1) - 1);
        }
      };
      return { device, close };
    },
  };

  async create(o: { name: string; sizeBytes: number }): Promise<VolumeInfo> {
    const made = { ...o, uuid: randomUUID(), createdAt: this.#instant() };
    await this.#changeCatalog((catalog) => createVolume(catalog, made));
    return this.#infoOf(volumeNamed(this.#deps.index.catalog, o.name), emptyLook());
  }

  async list(): Promise<readonly VolumeInfo[]> {
    const infos: VolumeInfo[] = [];
    for (const volume of this.#deps.index.catalog.volumes) {
      infos.push(this.#infoOf(volume, await this.#look(volume)));
    }
    return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async show(name: string): Promise<VolumeDetail> {
    const volume = volumeNamed(this.#deps.index.catalog, name);
    const look = await this.#look(volume);
    return { ...this.#infoOf(volume, look), map: look.cells };
  }

  async resize(o: { name: string; sizeBytes: number; force?: boolean }): Promise<VolumeInfo> {
    const head = this.#needHead(o.name);
    await head.gate.alone(async () => {
      const { catalog } = this.#deps.index;
      // Refused before anything is written, if it is refused.
      resizeVolume(catalog, o);
      if (o.sizeBytes < head.sizeBytes) {
        const firstBlock = o.sizeBytes / blockBytes;
        await this.#deps.journal.zero({ layer: head.layer, firstBlock, blocks: head.sizeBytes / blockBytes - firstBlock });
      }
      await this.#changeCatalog((current) => resizeVolume(current, o));
      head.sizeBytes = o.sizeBytes;
    });
    return await this.show(o.name);
  }

  async remove(o: { name: string; withSnapshots?: boolean }): Promise<void> {
    const { index } = this.#deps;
    const { volumeId } = volumeNamed(index.catalog, o.name);
    const snapshots = index.catalog.snapshots.filter((one) => one.volumeId === volumeId);
    this.#refuseInUse([o.name, ...(o.withSnapshots === true ? snapshots.map((one) => `${o.name}@${one.name}`) : [])]);
    const head = this.#needHead(o.name);
    head.isLeaving = true;
    try {
      await this.#delete(o, snapshots);
    } catch (error) {
      head.isLeaving = false;
      throw error;
    }
    this.#heads.delete(volumeId);
  }

  async #delete(o: { name: string; withSnapshots?: boolean }, snapshots: readonly { readonly name: string }[]): Promise<void> {
    await this.#changeCatalog((catalog) => {
      const bare =
        o.withSnapshots === true
          ? snapshots.reduce((at, { name }) => deleteSnapshot(at, { volume: o.name, snapshot: name }), catalog)
          : catalog;
      return deleteVolume(bare, o.name);
    });
  }

  /** As of the moment when no write is under way: all that was acknowledged is in it, and nothing that comes later. */
  async snapshot(o: { volume: string; name: string }): Promise<SnapshotInfo> {
    const head = this.#needHead(o.volume);
    const made = { volume: o.volume, snapshot: o.name, createdAt: this.#instant() };
    await head.gate.alone(async () => {
      createSnapshot(this.#deps.index.catalog, made);
      await this.#deps.drainJournal();
      await this.#changeCatalog((catalog) => createSnapshot(catalog, made));
      head.layer = volumeNamed(this.#deps.index.catalog, o.volume).layer;
    });
    return { name: o.name, createdAt: made.createdAt, sizeBytes: head.sizeBytes };
  }

  async removeSnapshot(o: { volume: string; name: string }): Promise<void> {
    this.#refuseInUse([`${o.volume}@${o.name}`]);
    await this.#changeCatalog((catalog) => deleteSnapshot(catalog, { volume: o.volume, snapshot: o.name }));
  }

  async clone(o: { volume: string; snapshot: string; name: string }): Promise<VolumeInfo> {
    const made = { ...o, uuid: randomUUID(), createdAt: this.#instant() };
    await this.#changeCatalog((catalog) => cloneSnapshot(catalog, made));
    return await this.show(o.name);
  }

  async #changeCatalog(change: (catalog: Catalog) => Catalog): Promise<void> {
    await this.#deps.index.change((see) => ({ writes: { catalog: change(see.catalog) }, result: undefined }), { freesSpace: true });
    await this.#deps.catalogChanged();
  }

  #headOf(name: string): VolumeHead | undefined {
    const { catalog } = this.#deps.index;
    const [volumeName = '', snapshotName] = name.split('@', 2);
    const volume = catalog.volumes.find((one) => one.name === volumeName);
    if (volume === undefined) {
      return undefined;
    }
    if (snapshotName !== undefined) {
      const snapshot = catalog.snapshots.find((one) => one.volumeId === volume.volumeId && one.name === snapshotName);
      return snapshot === undefined
        ? undefined
        : {
            name,
            sizeBytes: snapshot.sizeBytes,
            layer: snapshot.layer,
            isReadOnly: true,
            gate: new WriteGate(),
            direct: new DirectWrites(),
            isLeaving: false,
          };
    }
    const known = this.#heads.get(volume.volumeId) ?? {
      name,
      sizeBytes: volume.sizeBytes,
      layer: volume.layer,
      isReadOnly: volume.readOnly,
      gate: new WriteGate(),
      direct: new DirectWrites(),
      isLeaving: false,
    };
    this.#heads.set(volume.volumeId, known);
    return known;
  }

  #needHead(name: string): VolumeHead {
    const head = this.#headOf(name);
    if (head === undefined) {
      throw new VaultError('NO_SUCH_VOLUME', { volume: name });
    }
    return head;
  }

  #exportNames(): string[] {
    const { volumes, snapshots } = this.#deps.index.catalog;
    return volumes.flatMap(({ name, volumeId }) => [
      name,
      ...snapshots.filter((one) => one.volumeId === volumeId).map((one) => `${name}@${one.name}`),
    ]);
  }

  #refuseInUse(names: readonly string[]): void {
    for (const name of names) {
      const clients = this.#opened.get(name) ?? 0;
      if (clients > 0) {
        throw new VaultError('IN_USE', { volume: name, clients });
      }
    }
  }

  #infoOf({ volumeId, name, uuid, sizeBytes, readOnly, createdAt }: Volume, look: Look): VolumeInfo {
    const snapshots = this.#deps.index.catalog.snapshots
      .filter((one) => one.volumeId === volumeId)
      .map((one) => ({ name: one.name, createdAt: one.createdAt, sizeBytes: one.sizeBytes }));
    const health = { stripes: look.stripes.size, degraded: look.degraded.size, lost: look.lost.size, lostRanges: look.lostRanges };
    return { name, uuid, sizeBytes, mappedBytes: look.mappedBytes, readOnly, createdAt, snapshots, health };
  }

  /** Walks the pages that the volume's map has, of which a thin volume has few. */
  async #look({ sizeBytes, layer }: Volume): Promise<Look> {
    const { index, journal } = this.#deps;
    const cellBytes = Math.max(pageBytes, Math.ceil(sizeBytes / volumeCellsMax / pageBytes) * pageBytes);
    const look = emptyLook(Math.ceil(sizeBytes / cellBytes));
    for (const page of await this.#pagesOf(layer, Math.ceil(sizeBytes / pageBytes))) {
      const cell = Math.floor((page * pageBytes) / cellBytes);
      for (const run of index.resolvePage(layer, page).runs) {
        const health = this.#deps.healthOf(run.stripeId);
        look.mappedBytes += run.blocks * blockBytes;
        look.stripes.add(run.stripeId);
        if (health !== 'healthy') {
          look[health].add(run.stripeId);
        }
        if (health === 'lost') {
          noteRange(look.lostRanges, { offsetBytes: (page * pageBlocks + run.first) * blockBytes, lengthBytes: run.blocks * blockBytes });
        }
        worsen(look.cells, cell, health);
      }
      if (look.stripes.size % pagesPerTurn === pagesPerTurn - 1) {
        await setImmediate();
      }
    }
    if (journal.fill().usedBytes > 0) {
      for (let cell = 0; cell < look.cells.length; cell += 1) {
        if (journal.hasAny(layer, (cell * cellBytes) / blockBytes, cellBytes / blockBytes)) {
          worsen(look.cells, cell, 'journal');
        }
      }
    }
    return look;
  }

  /** That the layer or one of its ancestors has a row of, below `end`. */
  async #pagesOf(layer: number, end: number): Promise<number[]> {
    const { index } = this.#deps;
    const pages = new Set<number>();
    for (let at: number | undefined = layer; at !== undefined; at = index.parentOf(at)) {
      for (let from = 0; from < end; ) {
        const rows = index.pages(at, from, end, pagesPerTurn);
        for (const { page } of rows) {
          pages.add(page);
        }
        from = rows.length < pagesPerTurn ? end : (rows.at(-1)?.page ?? end) + 1;
        await setImmediate();
      }
    }
    return [...pages].sort((a, b) => a - b);
  }

  #instant(): string {
    return new Date(this.#deps.now()).toISOString();
  }
}

function emptyLook(cells = 0): Look {
  return {
    mappedBytes: 0,
    stripes: new Set(),
    degraded: new Set(),
    lost: new Set(),
    lostRanges: [],
    cells: Array.from({ length: cells }, (): VolumeCell => 'hole'),
  };
}

function worsen(cells: VolumeCell[], cell: number, found: VolumeCell): void {
  if (volumeCells.indexOf(found) > volumeCells.indexOf(cells[cell] ?? 'hole')) {
    cells[cell] = found;
  }
}

function noteRange(ranges: { offsetBytes: number; lengthBytes: number }[], range: { offsetBytes: number; lengthBytes: number }): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.offsetBytes + last.lengthBytes === range.offsetBytes) {
    last.lengthBytes += range.lengthBytes;
  } else if (ranges.length < lostRangesMax) {
    ranges.push(range);
  }
}
