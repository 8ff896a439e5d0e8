/** A vault in memory for tests of what stands around one. It keeps names and sizes, bodies of blobs, and no blocks. */
import { createHash, randomUUID } from 'node:crypto';
import type {
  BlobInfo,
  DriveStatus,
  OperationResult,
  SnapshotInfo,
  VaultStatus,
  VolumeDetail,
  VolumeInfo,
} from '@couchestor/shared/contracts/vault';
import type { NbdExports } from '../adapters/nbd/block-device.ts';
import { VaultError } from './errors.ts';
import type { GivenDrive, LongCall, VaultApi, VaultBlobs, VaultDrives, VaultEvent, VaultVolumes } from './vault-api.ts';

const createdAt = '2026-01-02T03:04:05.000Z';
const driveBytes = 100 * 2 ** 30;

export class FakeVault implements VaultApi {
  readonly vaultId = 'v-1';
  /** What the status tells beside what the fake counts itself. */
  overrides: Partial<VaultStatus> = {};
  /** What the next operation does after its first report of half its way. */
  duringOperation: (call: LongCall) => Promise<void> = async () => undefined;
  readonly calls: string[] = [];
  isClosed = false;
  readonly #volumes = new Map<string, VolumeInfo>();
  readonly #drives: DriveStatus[];
  readonly #blobs = new Map<string, { info: BlobInfo; body: Buffer }>();
  readonly #listeners = new Set<(event: VaultEvent) => void>();

  constructor(o: { drives?: number } = {}) {
    this.#drives = Array.from({ length: o.drives ?? 6 }, (_, index) => driveOf(index + 1, `/drives/${index + 1}`));
  }

  readonly volumes: VaultVolumes = {
    create: async ({ name, sizeBytes }) => this.#keep(volumeOf(name, sizeBytes)),
    list: async () => [...this.#volumes.values()],
    show: async (name): Promise<VolumeDetail> => ({ ...this.#volume(name), map: ['healthy', 'journal', 'degraded', 'lost', 'hole'] }),
    resize: async ({ name, sizeBytes, force }) => {
      const volume = this.#volume(name);
      if (sizeBytes < volume.sizeBytes && force !== true) {
        throw new VaultError('BAD_RANGE', { volume: name, sizeBytes });
      }
      return this.#replace({ ...volume, sizeBytes });
    },
    remove: async ({ name, withSnapshots }) => {
      if (this.#volume(name).snapshots.length > 0 && withSnapshots !== true) {
        throw new VaultError('IN_USE', { volume: name });
      }
      this.#volumes.delete(name);
    },
    snapshot: async ({ volume: of, name }): Promise<SnapshotInfo> => {
      const volume = this.#volume(of);
      const snapshot = { name, createdAt, sizeBytes: volume.sizeBytes };
      this.#replace({ ...volume, snapshots: [...volume.snapshots, snapshot] });
      return snapshot;
    },
    removeSnapshot: async ({ volume: of, name }) => {
      const volume = this.#volume(of);
      this.#replace({ ...volume, snapshots: volume.snapshots.filter((snapshot) => snapshot.name !== name) });
    },
    clone: async ({ volume: of, snapshot, name }) => {
      const source = this.#volume(of).snapshots.find((one) => one.name === snapshot);
      if (source === undefined) {
        throw new VaultError('NO_SUCH_VOLUME', { volume: `${of}@${snapshot}` });
      }
      return this.#keep(volumeOf(name, source.sizeBytes));
    },
  };

  readonly drives: VaultDrives = {
    list: () => this.#drives,
    add: async (given) => {
      const drive = driveOf(this.#drives.length + 1, given.path, given);
      this.#drives.push(drive);
      return drive;
    },
    fail: async (which) => {
      const index = this.#drives.findIndex(({ number, path }) => number === which || path === which);
      const drive = this.#drives[index];
      if (drive === undefined) {
        throw new VaultError('NO_SUCH_DRIVE', { drive: which });
      }
      const failed: DriveStatus = { ...drive, state: 'failed', reason: 'told to fail' };
      this.#drives[index] = failed;
      this.emit({ kind: 'drive-failed', drive: failed.number, path: failed.path, reason: 'told to fail' });
      return failed;
    },
    drain: (number, call) => this.#operate(`drain ${number}`, call),
    replace: ({ number, drive }, call) => this.#operate(`replace ${number} by ${drive.path}`, call),
  };

  readonly blobs: VaultBlobs = {
    put: async ({ key, body }) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) {
        chunks.push(chunk);
      }
      const known = this.#blobs.get(key);
      if (known !== undefined) {
        return known.info;
      }
      const all = Buffer.concat(chunks);
      const info: BlobInfo = { blobId: blobIdOf(key), sizeBytes: all.length, state: 'pending', createdAt };
      this.#blobs.set(key, { info, body: all });
      return info;
    },
    head: async (key) => this.#blobs.get(key)?.info,
    get: async ({ key, range }) => {
      const blob = this.#blobs.get(key);
      const body = range === undefined ? blob?.body : blob?.body.subarray(range.offsetBytes, range.offsetBytes + range.lengthBytes);
      return blob === undefined || body === undefined ? undefined : { info: blob.info, body: inPieces(body) };
    },
    adopt: async (key) => {
      const blob = this.#blobs.get(key);
      if (blob === undefined) {
        throw new VaultError('NO_SUCH_BLOB', { key });
      }
      const info: BlobInfo = { ...blob.info, state: 'adopted' };
      this.#blobs.set(key, { ...blob, info });
      return info;
    },
    release: async (key) => void this.#blobs.delete(key),
    list: async ({ after = '', limit, state }) =>
      [...this.#blobs.values()]
        .map(({ info }) => info)
        .filter((info) => info.blobId > after && (state === undefined || info.state === state))
        .sort((left, right) => (left.blobId < right.blobId ? -1 : 1))
        .slice(0, limit),
  };

  readonly exports: NbdExports = {
    list: () => [...this.#volumes.values()].map(({ name }) => ({ name, description: '' })),
    open: async () => undefined,
  };

  status(): VaultStatus {
    const used = this.#blobs.size * 4_096;
    return {
      vaultId: this.vaultId,
      policy: { name: 'gold', uid: 'file:gold', dataShards: 4, parityShards: 2, stripeSizeBytes: 1_048_576, codec: 'isal-compatible' },
      phase: 'ready',
      conditions: [],
      survives: { zones: 0, nodes: 0, pools: 0, disks: 0, drives: 2, sentence: 'survives any 2 of 6 drives' },
      codecEngine: { name: 'native' },
      journal: {
        usedBytes: 64,
        sizeBytes: 256,
        fillPercent: 25,
        destageLagMs: 1_500,
        copies: [{ path: '/drives/1', domain: 'a', isLive: true }],
        wantedCopies: 1,
      },
      stripes: { total: 9, healthy: 9, degraded: 0, rebuilding: 0, lost: 0 },
      capacity: {
        totalBytes: driveBytes * this.#drives.length,
        usedBytes: used,
        freeBytes: driveBytes * this.#drives.length - used,
        mappedBytes: used,
      },
      drives: [...this.#drives],
      rebuild: { isRunning: false, stripesLeft: 0, stripesDone: 0, bytesPerSecond: 0 },
      scrub: { isRunning: false, stripesChecked: 0, stripesTotal: 9, errorsFound: 0, healed: 0 },
      volumes: this.#volumes.size,
      checksumErrors: 0,
      reconstructions: 0,
      stripesEncoded: 9,
      ...this.overrides,
    };
  }

  scrub(call: LongCall): Promise<OperationResult> {
    return this.#operate('scrub', call);
  }

  rebuild(call: LongCall): Promise<OperationResult> {
    return this.#operate('rebuild', call);
  }

  verify(call: LongCall): Promise<OperationResult> {
    return this.#operate('verify', call);
  }

  backup(to: string, call: LongCall): Promise<OperationResult> {
    return this.#operate(`backup to ${to}`, call);
  }

  onEvent(listener: (event: VaultEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: VaultEvent): void {
    for (const listener of this.#listeners) {
      listener(event);
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  async #operate(name: string, call: LongCall): Promise<OperationResult> {
    this.calls.push(name);
    call.report({ done: 50, total: 100, unit: 'stripes' });
    await this.duringOperation(call);
    call.signal.throwIfAborted();
    call.report({ done: 100, total: 100, unit: 'stripes' });
    return { message: `${name}: all is well`, stripesChecked: 100 };
  }

  #volume(name: string): VolumeInfo {
    const volume = this.#volumes.get(name);
    if (volume === undefined) {
      throw new VaultError('NO_SUCH_VOLUME', { volume: name });
    }
    return volume;
  }

  #keep(volume: VolumeInfo): VolumeInfo {
    if (this.#volumes.has(volume.name)) {
      throw new VaultError('IN_USE', { volume: volume.name });
    }
    return this.#replace(volume);
  }

  #replace(volume: VolumeInfo): VolumeInfo {
    this.#volumes.set(volume.name, volume);
    return volume;
  }
}

function volumeOf(name: string, sizeBytes: number): VolumeInfo {
  const health = { stripes: 0, degraded: 0, lost: 0, lostRanges: [] };
  return { name, uuid: randomUUID(), sizeBytes, mappedBytes: 0, readOnly: false, createdAt, snapshots: [], health };
}

function driveOf(number: number, path: string, given?: GivenDrive): DriveStatus {
  return {
    number,
    driveId: `d-${number}`,
    path,
    domain: { zone: 'z', node: 'n', pool: 'p', disk: '8:1', ...given?.domain },
    state: 'online',
    totalBytes: driveBytes,
    usedBytes: 0,
    freeBytes: driveBytes,
    shards: 0,
    readP99Ms: 0,
    writeP99Ms: 0,
  };
}

function blobIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

async function* inPieces(body: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < body.length; at += 65_536) {
    yield body.subarray(at, at + 65_536);
  }
}
