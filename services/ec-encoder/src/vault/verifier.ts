/**
 * Reads everything that volumes, snapshots and blobs point at, as a client would, and tells what cannot be read. Changes nothing.
 *
 * Each page of the map is read once, in the layer that has it, whoever shows it. What is in the journal alone is not read.
 */
import { setImmediate } from 'node:timers/promises';
import type { IndexStore } from '../adapters/index/index-store.ts';
import type { SharedPool } from '../adapters/shared-buffers.ts';
import type { Catalog } from '../domain/catalog.ts';
import { blockBytes } from '../domain/geometry.ts';
import { isWhole } from '../domain/index-rows.ts';
import { type PageRun, pageBlocks } from '../domain/lba-page.ts';
import { VaultError } from './errors.ts';
import type { StripeReader } from './stripe-reader.ts';
import type { LongCall } from './vault-api.ts';

const pagesPerLook = 64;
const chunkBytes = 1024 * 1024;
const rangesListedMax = 100;

export interface VerifierDeps {
  readonly index: Pick<IndexStore, 'catalog' | 'page' | 'pages' | 'stripe' | 'blobs' | 'blob' | 'counts'>;
  readonly reader: Pick<StripeReader, 'read'>;
  readonly pool: SharedPool;
  readonly throttle: (bytes: number, signal: AbortSignal) => Promise<void>;
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
}

export interface UnreadableRange {
  /** Volumes as `name`, snapshots as `name@snapshot`, blobs as `blob:` and their id. */
  readonly of: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface VerifyResult {
  readonly bytes: number;
  /** All of them, where the list has the first. */
  readonly unreadableRanges: number;
  readonly ranges: readonly UnreadableRange[];
}

export async function verifyVault(deps: VerifierDeps, call: LongCall): Promise<VerifyResult> {
  const verification = new Verification(deps, call);
  return await verification.run();
}

class Verification {
  readonly #deps: VerifierDeps;
  readonly #call: LongCall;
  readonly #ranges: UnreadableRange[] = [];
  #unreadable = 0;
  #bytes = 0;

  constructor(deps: VerifierDeps, call: LongCall) {
    this.#deps = deps;
    this.#call = call;
  }

  async run(): Promise<VerifyResult> {
    const memory = this.#deps.pool.take(chunkBytes);
    try {
      for (const { id } of this.#deps.index.catalog.layers) {
        await this.#verifyLayer(id, memory);
      }
      for (const { blobId } of this.#deps.index.blobs()) {
        await this.#verifyBlob(blobId, memory);
      }
    } finally {
      this.#deps.pool.give(memory);
    }
    return { bytes: this.#bytes, unreadableRanges: this.#unreadable, ranges: this.#ranges };
  }

  async #verifyLayer(layer: number, memory: Uint8Array): Promise<void> {
    for (let from = 0; ; ) {
      const pages = this.#deps.index.pages(layer, from, undefined, pagesPerLook);
      for (const { page, value } of pages) {
        for (const run of value.runs) {
          await this.#verifyRun({ layer, page, run }, memory);
        }
      }
      const last = pages.at(-1);
      if (last === undefined) {
        return;
      }
      from = last.page + 1;
      await setImmediate();
    }
  }

  async #verifyRun(at: { layer: number; page: number; run: PageRun }, memory: Uint8Array): Promise<void> {
    const { run, layer, page } = at;
    const bytes = memory.subarray(0, run.blocks * blockBytes);
    if (await this.#isReadable(run.stripeId, run.offsetBlocks * blockBytes, bytes)) {
      return;
    }
    // Written anew, trimmed or moved meanwhile: then it is no loss, and what is there now is read at once.
    const now = this.#deps.index.page(layer, page)?.runs ?? [];
    const isStill = now.some(
      (one) => one.stripeId === run.stripeId && one.first < run.first + run.blocks && run.first < one.first + one.blocks,
    );
    if (!isStill) {
      for (const one of now.filter((other) => other.first < run.first + run.blocks && run.first < other.first + other.blocks)) {
        if (!(await this.#isReadable(one.stripeId, one.offsetBlocks * blockBytes, memory.subarray(0, one.blocks * blockBytes)))) {
          await this.#narrow({ layer, page, run: one }, memory);
        }
      }
      return;
    }
    await this.#narrow(at, memory);
  }

  /** Which of the run's blocks cannot be read. */
  async #narrow({ layer, page, run }: { layer: number; page: number; run: PageRun }, memory: Uint8Array): Promise<void> {
    let [first, blocks] = [0, 0];
    const block = memory.subarray(0, blockBytes);
    for (let at = 0; at <= run.blocks; at += 1) {
      const isBad = at < run.blocks && !(await this.#isReadable(run.stripeId, (run.offsetBlocks + at) * blockBytes, block));
      if (isBad) {
        first = blocks === 0 ? at : first;
        blocks += 1;
      } else if (blocks > 0) {
        const offsetBytes = (page * pageBlocks + run.first + first) * blockBytes;
        for (const name of namesShowing(this.#deps.index, layer, page)) {
          this.#tell({ of: name, offsetBytes, lengthBytes: blocks * blockBytes });
        }
        blocks = 0;
      }
    }
  }

  async #verifyBlob(blobId: string, memory: Uint8Array): Promise<void> {
    const row = this.#deps.index.blob(blobId);
    if (row === undefined) {
      return;
    }
    let offsetBytes = 0;
    for (const part of row.parts) {
      // Blobs may begin within a block, and blocks are what is checked.
      const end = part.offsetBytes + part.lengthBytes;
      for (let at = Math.floor(part.offsetBytes / blockBytes) * blockBytes; at < end; at += chunkBytes) {
        const bytes = memory.subarray(0, Math.min(chunkBytes, Math.ceil((end - at) / blockBytes) * blockBytes));
        if (!(await this.#isReadable(part.stripeId, at, bytes)) && isStillThere(this.#deps.index, blobId, part)) {
          const from = Math.max(at, part.offsetBytes);
          const to = Math.min(end, at + bytes.length);
          this.#tell({ of: `blob:${blobId}`, offsetBytes: offsetBytes + from - part.offsetBytes, lengthBytes: to - from });
        }
      }
      offsetBytes += part.lengthBytes;
    }
    if (row.state === 'adopted' && !isWhole(row.parts)) {
      this.#tell({ of: `blob:${blobId}`, offsetBytes, lengthBytes: 0 });
    }
  }

  /** Throws where the reason is not the data. */
  async #isReadable(stripeId: number, offsetBytes: number, into: Uint8Array): Promise<boolean> {
    const { signal } = this.#call;
    signal.throwIfAborted();
    await this.#deps.throttle(into.length, signal);
    const isRead = await this.#deps.inFlight(async () => {
      const row = this.#deps.index.stripe(stripeId);
      if (row === undefined) {
        return false;
      }
      try {
        await this.#deps.reader.read(row, offsetBytes, into);
        return true;
      } catch (error) {
        if (VaultError.is(error, 'LOST')) {
          return false;
        }
        throw error;
      }
    });
    this.#bytes += isRead ? into.length : 0;
    this.#call.report({ done: this.#bytes, total: Math.max(this.#bytes, this.#deps.index.counts().mappedBytes), unit: 'bytes' });
    return isRead;
  }

  #tell(range: UnreadableRange): void {
    this.#unreadable += 1;
    if (this.#ranges.length < rangesListedMax) {
      this.#ranges.push(range);
    }
  }
}

function isStillThere(
  index: VerifierDeps['index'],
  blobId: string,
  part: { part: number; stripeId: number; offsetBytes: number },
): boolean {
  const now = index.blob(blobId)?.parts.find((one) => one.part === part.part);
  return now?.stripeId === part.stripeId && now.offsetBytes === part.offsetBytes;
}

/** The volumes and snapshots whose page this layer's is; that of a layer itself where nothing shows it any more. */
function namesShowing(index: Pick<IndexStore, 'catalog' | 'page'>, layer: number, page: number): string[] {
  const { volumes, snapshots, layers } = index.catalog;
  const parents = new Map(layers.map(({ id, parent }) => [id, parent]));
  const shows = (head: number): boolean => {
    for (let at: number | undefined = head; at !== undefined; at = parents.get(at)) {
      if (at === layer) {
        return true;
      }
      if (index.page(at, page) !== undefined) {
        return false;
      }
    }
    return false;
  };
  const names = [
    ...volumes.filter((one) => shows(one.layer)).map(({ name }) => name),
    ...snapshots.filter((one) => shows(one.layer)).map((one) => `${volumeOf(volumes, one.volumeId)}@${one.name}`),
  ];
  return names.length > 0 ? names : [`layer:${layer}`];
}

function volumeOf(volumes: Catalog['volumes'], volumeId: number): string {
  return volumes.find((one) => one.volumeId === volumeId)?.name ?? String(volumeId);
}
