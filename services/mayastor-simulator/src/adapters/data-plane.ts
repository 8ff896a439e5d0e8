/**
 * The engines: replica files, and a nexus per published volume that reads and writes them.
 *
 * A write goes to every Online child and, of a child in rebuild, to the part that is copied already; then it is acknowledged. Whatever lies
 * beyond that part will be copied from a source that has the write. A read comes from one Online child and is checked.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Child, Cluster, Effect, Replica, Volume } from '../domain/cluster.ts';
import { blockBytes } from '../domain/scenario.ts';
import { liveNexus, nexusState, syncedReplicas } from '../domain/status.ts';
import { SimulatorError } from '../errors.ts';
import { countRead, countWrite, type IoCounters, noIo } from '../io-counters.ts';
import { blockFault, fillBlock, uuidBytes } from './block.ts';
import { GenerationLedger } from './generation-ledger.ts';
import { ReplicaFiles } from './replica-files.ts';

const verifyChunkBlocks = 256;
const faultsKeptMax = 20;

export interface Verification {
  readonly bytesVerified: number;
  readonly replicasVerified: number;
  readonly corrupt: number;
  /** The first faults found, in words. */
  readonly faults: readonly string[];
}

export class DataPlane {
  readonly #files: ReplicaFiles;
  readonly #ledgerFolder: string;
  readonly #ledgers = new Map<string, GenerationLedger>();
  readonly #ids = new Map<string, Buffer>();
  readonly #block = Buffer.alloc(blockBytes);
  readonly #nexusCounters = new Map<string, IoCounters>();
  readonly #replicaCounters = new Map<string, IoCounters>();
  readonly #poolCounters = new Map<string, IoCounters>();
  readonly totals: IoCounters = noIo();
  corruptReads = 0;
  bytesRebuilt = 0;

  constructor(folder: string) {
    this.#files = new ReplicaFiles(join(folder, 'replicas'));
    this.#ledgerFolder = join(folder, 'volumes');
    mkdirSync(this.#ledgerFolder, { recursive: true });
  }

  /** Opens what a stored cluster owns, drops what it does not, and completes the writes that a killed process left in doubt. */
  recover(cluster: Cluster): void {
    this.#files.keepOnly(new Set(Object.keys(cluster.replicas)));
    for (const name of readdirSync(this.#ledgerFolder)) {
      if (cluster.volumes[name] === undefined) {
        rmSync(join(this.#ledgerFolder, name));
      }
    }
    for (const replica of Object.values(cluster.replicas)) {
      this.#files.ensure(replica.uuid, replica.sizeBytes);
    }
    for (const volume of Object.values(cluster.volumes)) {
      this.#ledgers.set(volume.uuid, this.#openLedger(volume));
      const doubt = this.#ledger(volume.uuid).inDoubt();
      if (doubt !== undefined) {
        this.#writeGeneration(cluster, volume, doubt);
      }
    }
  }

  apply(cluster: Cluster, effect: Effect): void {
    switch (effect.kind) {
      case 'volume-created':
        this.#ledgers.set(effect.volume, GenerationLedger.create(this.#ledgerPath(effect.volume), effect.sizeBytes / blockBytes));
        break;
      case 'volume-resized':
        this.#ledger(effect.volume).resize(effect.sizeBytes / blockBytes);
        break;
      case 'volume-deleted':
        this.#ledgers.get(effect.volume)?.close();
        this.#ledgers.delete(effect.volume);
        rmSync(this.#ledgerPath(effect.volume), { force: true });
        break;
      case 'replica-created':
        this.#files.ensure(effect.replica, effect.sizeBytes);
        break;
      case 'replica-resized':
        this.#files.resize(effect.replica, effect.sizeBytes);
        break;
      case 'rebuild-started':
        this.#files.empty(effect.replica, cluster.volumes[effect.volume]?.sizeBytes ?? 0);
        break;
      case 'rebuild-copied':
        this.#copy(cluster, effect);
        break;
      case 'replica-deleted':
        this.#files.remove(effect.replica);
        this.#replicaCounters.delete(effect.replica);
        break;
      case 'rebuild-ended':
      case 'answered':
        break;
    }
  }

  /** Whether an application could read and write the volume now. */
  isServing(cluster: Cluster, volume: Volume): boolean {
    const nexus = liveNexus(cluster, volume);
    return nexus !== undefined && nexusState(nexus) !== 'Faulted';
  }

  /** Fills the first blocks of a volume, published or not, as data that was there before. */
  fill(cluster: Cluster, volume: Volume, blocks: number): void {
    for (let block = 0; block < blocks; block += 1) {
      this.#writeGeneration(cluster, volume, { block, generation: 1 });
    }
  }

  write(cluster: Cluster, volume: Volume, block: number): void {
    const startedAt = performance.now();
    this.#writeGeneration(cluster, volume, { block, generation: this.#ledger(volume.uuid).generationOf(block) + 1 });
    const io = { bytes: blockBytes, us: (performance.now() - startedAt) * 1_000 };
    countWrite(this.nexusCounters(volume), io);
    countWrite(this.totals, io);
  }

  /** Reads a block from one child and checks it. Says what is wrong with it, if anything. */
  read(cluster: Cluster, volume: Volume, block: number): string | undefined {
    const startedAt = performance.now();
    const nexus = volume.nexus;
    const online = nexus?.children.filter((child) => child.state === 'Online') ?? [];
    const child = online[block % Math.max(1, online.length)];
    if (child === undefined) {
      throw new Error(`volume ${volume.uuid} has no child to read from`);
    }
    this.#files.read(child.replica, this.#block, block * blockBytes);
    const fault = blockFault(this.#block, this.#identity(volume, block));
    const io = { bytes: blockBytes, us: (performance.now() - startedAt) * 1_000 };
    this.#countChild(cluster, child.replica, (counters) => countRead(counters, io));
    countRead(this.nexusCounters(volume), io);
    countRead(this.totals, io);
    if (fault === undefined) {
      return undefined;
    }
    this.corruptReads += 1;
    return `block ${block} of volume ${volume.uuid} on replica ${child.replica} ${fault}`;
  }

  /** Compares every block of every synced, readable replica with what was acknowledged. Lets other work in between. */
  async verify(cluster: Cluster, letOthersWork: () => Promise<void>): Promise<Verification> {
    const result = { bytesVerified: 0, replicasVerified: 0, corrupt: 0, faults: [] as string[] };
    for (const volume of Object.values(cluster.volumes)) {
      for (const replica of syncedReplicas(cluster, volume)) {
        if (await this.#verifyReplica(cluster, { volume, replica, result, letOthersWork })) {
          result.replicasVerified += 1;
        }
      }
    }
    return result;
  }

  /** Counters of the volume's present nexus. A new nexus, or its engine restarted, begins at zero. */
  nexusCounters(volume: Volume): IoCounters {
    return entry(this.#nexusCounters, volume.nexus === undefined ? volume.uuid : `${volume.nexus.uuid} ${volume.nexus.incarnation}`);
  }

  replicaCounters(replica: string): IoCounters {
    return entry(this.#replicaCounters, replica);
  }

  poolCounters(pool: string): IoCounters {
    return entry(this.#poolCounters, pool);
  }

  /** Writes acknowledged to the volume since it was made, and the bytes that they take. */
  acknowledged(volume: Volume): { generation: number; bytes: number } {
    const ledger = this.#ledger(volume.uuid);
    return { generation: ledger.acknowledgedWrites, bytes: ledger.blocksWritten * blockBytes };
  }

  close(): void {
    this.#files.close();
    for (const ledger of this.#ledgers.values()) {
      ledger.close();
    }
    this.#ledgers.clear();
  }

  async #verifyReplica(
    cluster: Cluster,
    the: {
      volume: Volume;
      replica: Replica;
      result: { bytesVerified: number; corrupt: number; faults: string[] };
      letOthersWork: () => Promise<void>;
    },
  ): Promise<boolean> {
    const { volume, replica, result } = the;
    const chunk = Buffer.alloc(verifyChunkBlocks * blockBytes);
    const blocks = this.#ledger(volume.uuid).blocks;
    for (let first = 0; first < blocks; first += verifyChunkBlocks) {
      await the.letOthersWork();
      if (cluster.volumes[volume.uuid] !== volume || !syncedReplicas(cluster, volume).includes(replica)) {
        return false;
      }
      this.#files.read(replica.uuid, chunk, first * blockBytes);
      for (let block = first; block < Math.min(blocks, first + verifyChunkBlocks); block += 1) {
        const at = (block - first) * blockBytes;
        const fault = blockFault(chunk.subarray(at, at + blockBytes), this.#identity(volume, block));
        result.bytesVerified += blockBytes;
        if (fault !== undefined) {
          result.corrupt += 1;
          if (result.faults.length < faultsKeptMax) {
            result.faults.push(`block ${block} of volume ${volume.uuid} on replica ${replica.uuid} ${fault}`);
          }
        }
      }
    }
    return true;
  }

  #writeGeneration(cluster: Cluster, volume: Volume, { block, generation }: { block: number; generation: number }): void {
    const ledger = this.#ledger(volume.uuid);
    fillBlock(this.#block, { volume: this.#id(volume.uuid), block, generation });
    ledger.announce(block, generation);
    for (const replica of this.#writtenReplicas(cluster, volume, block)) {
      const startedAt = performance.now();
      this.#files.write(replica, this.#block, block * blockBytes);
      const io = { bytes: blockBytes, us: (performance.now() - startedAt) * 1_000 };
      this.#countChild(cluster, replica, (counters) => countWrite(counters, io));
    }
    ledger.acknowledge(block, generation);
  }

  /** The replicas that a write of the block must reach before it is acknowledged. */
  #writtenReplicas(cluster: Cluster, volume: Volume, block: number): string[] {
    const takes = (child: Child) =>
      child.state === 'Online' || (child.rebuild !== undefined && (block + 1) * blockBytes <= child.copiedBytes);
    return volume.nexus === undefined
      ? syncedReplicas(cluster, volume).map((replica) => replica.uuid)
      : volume.nexus.children.filter(takes).map((child) => child.replica);
  }

  #copy(cluster: Cluster, effect: Extract<Effect, { kind: 'rebuild-copied' }>): void {
    const startedAt = performance.now();
    const { source: from, replica: to, fromByte, toByte } = effect;
    this.#files.copy({ from, to, fromByte, toByte });
    const io = { bytes: toByte - fromByte, us: ((performance.now() - startedAt) * 1_000) / 2 };
    this.#countChild(cluster, from, (counters) => countRead(counters, io));
    this.#countChild(cluster, to, (counters) => countWrite(counters, io));
    this.bytesRebuilt += io.bytes;
  }

  #countChild(cluster: Cluster, replica: string, count: (counters: IoCounters) => void): void {
    count(this.replicaCounters(replica));
    const pool = cluster.replicas[replica]?.pool;
    if (pool !== undefined) {
      count(this.poolCounters(pool));
    }
  }

  #identity(volume: Volume, block: number) {
    return { volume: this.#id(volume.uuid), block, generation: this.#ledger(volume.uuid).generationOf(block) };
  }

  #id(volume: string): Buffer {
    let id = this.#ids.get(volume);
    if (id === undefined) {
      id = uuidBytes(volume);
      this.#ids.set(volume, id);
    }
    return id;
  }

  #ledger(volume: string): GenerationLedger {
    const ledger = this.#ledgers.get(volume);
    if (ledger === undefined) {
      throw new Error(`the ledger of volume ${volume} is not open`);
    }
    return ledger;
  }

  #openLedger(volume: Volume): GenerationLedger {
    const path = this.#ledgerPath(volume.uuid);
    if (!existsSync(path)) {
      throw new SimulatorError('STATE_INVALID', { file: path, problem: 'the ledger of a volume is missing' });
    }
    return GenerationLedger.open(path, volume.sizeBytes / blockBytes);
  }

  #ledgerPath(volume: string): string {
    return join(this.#ledgerFolder, volume);
  }
}

function entry(map: Map<string, IoCounters>, key: string): IoCounters {
  let counters = map.get(key);
  if (counters === undefined) {
    counters = noIo();
    map.set(key, counters);
  }
  return counters;
}
