/** What the API, the bus and the process know of the engine: the class Vault does this, and the tests' stand-in. */
import type {
  BlobInfo,
  DriveStatus,
  OperationResult,
  SnapshotInfo,
  VaultStatus,
  VolumeDetail,
  VolumeInfo,
} from '@couchestor/shared/contracts/vault';
import type { ErasureCodingPolicySpec } from '@couchestor/shared/erasure-coding-policy';
import type { Logger } from '@couchestor/shared/logger';
import type { NbdExports } from '../adapters/nbd/block-device.ts';
import type { DriveDomain } from '../domain/placement.ts';

/** A folder that is to be a drive, or to hold a copy of the journal. What its domain leaves out is found out. */
export interface GivenDrive {
  readonly path: string;
  readonly domain: Partial<DriveDomain>;
}

export interface GivenJournalPlace {
  readonly path: string;
  readonly domain?: string;
}

export interface GivenPolicy {
  readonly name: string;
  readonly uid?: string;
  readonly spec: ErasureCodingPolicySpec;
}

export interface VaultThrottle {
  readonly rebuildBytesPerSecond: number;
  readonly scrubBytesPerSecond: number;
}

/** How far something long has come. `total` is 0 while it is not known. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly unit: 'stripes' | 'bytes';
}

/** Given to what takes long. It stops, by rejecting with the signal's reason, soon after the signal was aborted. */
export interface LongCall {
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}

/** What is measured as it happens. Called on hot paths: neither throws nor waits. */
export interface VaultObserver {
  driveCall(o: { drive: number; operation: 'read' | 'write'; durationMs: number; failed: boolean }): void;
}

/** What happened in a vault. `changed`: something that the status tells has changed, and is worth telling soon. */
export type VaultEvent =
  | { readonly kind: 'stripe-encoded'; readonly stripeId: number; readonly payloadBytes: number }
  | { readonly kind: 'stripe-degraded'; readonly stripeId: number; readonly missingShards: number }
  | { readonly kind: 'stripe-rebuilt'; readonly stripeId: number }
  | { readonly kind: 'stripe-lost'; readonly stripeId: number }
  | { readonly kind: 'drive-failed'; readonly drive: number; readonly path: string; readonly reason: string }
  | { readonly kind: 'changed' };

export interface OpenVaultOptions {
  readonly dataDir: string;
  /** Those that the catalog knows already must be among them, or are failed drives; new ones are added to it. */
  readonly drives: readonly GivenDrive[];
  /** Empty: on the drives. */
  readonly journal: readonly GivenJournalPlace[];
  /** Absent: as it was accepted. A vault that is made needs it; later its unchangeable fields must be as accepted. */
  readonly policy?: GivenPolicy;
  readonly throttle: VaultThrottle;
  /** Of the drives' files, 64 MiB where it is absent. Tests fill small ones sooner. */
  readonly segmentBytes?: number;
  /** Goes on without writes that all copies of the journal have lost. */
  readonly acceptJournalLoss: boolean;
  /** Where the cache with the add-on is. */
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
  readonly observer: VaultObserver;
  /** Aborted when the process is told to stop while the journal is replayed. */
  readonly signal: AbortSignal;
}

/** `Vault.open` */
export type OpenVault = (o: OpenVaultOptions) => Promise<VaultApi>;

export interface VaultVolumes {
  create(o: { name: string; sizeBytes: number }): Promise<VolumeInfo>;
  list(): Promise<readonly VolumeInfo[]>;
  show(name: string): Promise<VolumeDetail>;
  /** A smaller size throws bytes away and needs `force`. */
  resize(o: { name: string; sizeBytes: number; force?: boolean }): Promise<VolumeInfo>;
  remove(o: { name: string; withSnapshots?: boolean }): Promise<void>;
  snapshot(o: { volume: string; name: string }): Promise<SnapshotInfo>;
  removeSnapshot(o: { volume: string; name: string }): Promise<void>;
  clone(o: { volume: string; snapshot: string; name: string }): Promise<VolumeInfo>;
}

export interface VaultDrives {
  list(): readonly DriveStatus[];
  add(drive: GivenDrive): Promise<DriveStatus>;
  /** Its shards are counted as lost from now on. By number or path. */
  fail(drive: number | string): Promise<DriveStatus>;
  /** Resolves once no shard is left on it. */
  drain(number: number, call: LongCall): Promise<OperationResult>;
  /** Puts a new, empty folder in the place of a drive; resolves once its shards are rebuilt. */
  replace(o: { number: number; drive: GivenDrive }, call: LongCall): Promise<OperationResult>;
}

export interface VaultBlobs {
  /** Stores a pending blob. The same key again answers with what is there, once its body was read to its end or closed. */
  put(o: { key: string; body: AsyncIterable<Uint8Array>; sizeBytes?: number; signal: AbortSignal }): Promise<BlobInfo>;
  head(key: string): Promise<BlobInfo | undefined>;
  /** `body` is read once, and ended early by its `return`. A range beyond the end is BAD_RANGE. */
  get(o: {
    key: string;
    range?: { offsetBytes: number; lengthBytes: number };
  }): Promise<{ info: BlobInfo; body: AsyncIterable<Uint8Array> } | undefined>;
  /** Idempotent. */
  adopt(key: string): Promise<BlobInfo>;
  /** Gives its space back, pending or adopted. Idempotent: also where there is no such blob. */
  release(key: string): Promise<void>;
  /** In the order of their ids, after `after`. */
  list(o: { after?: string; limit: number; state?: BlobInfo['state'] }): Promise<readonly BlobInfo[]>;
}

export interface VaultApi {
  readonly vaultId: string;
  /** From memory, at once. */
  status(): VaultStatus;
  readonly volumes: VaultVolumes;
  readonly drives: VaultDrives;
  readonly blobs: VaultBlobs;
  /** Volumes as `name`, snapshots as `name@snapshot`. */
  readonly exports: NbdExports;
  /** Reads and verifies every shard and heals what is wrong. Joins the one that runs. */
  scrub(call: LongCall): Promise<OperationResult>;
  /** Resolves once no stripe lacks a shard that could be rebuilt. Joins the one that runs. */
  rebuild(call: LongCall): Promise<OperationResult>;
  /** Reads everything that volumes and blobs point at; changes nothing. */
  verify(call: LongCall): Promise<OperationResult>;
  /** A copy of the index and of what the drives do not tell, into a new or empty folder. */
  backup(to: string, call: LongCall): Promise<OperationResult>;
  /** Returns how to end it. Listeners do not throw. */
  onEvent(listener: (event: VaultEvent) => void): () => void;
  close(): Promise<void>;
}

/** Makes the index of a stopped vault anew from its drives alone. */
export type ReindexVault = (
  o: Pick<OpenVaultOptions, 'dataDir' | 'drives' | 'journal' | 'policy' | 'env' | 'logger'>,
  call: LongCall,
) => Promise<OperationResult>;

/** Puts a backup into the data folder of a stopped vault; refuses one that has an index, unless `replace`. */
export type RestoreVault = (
  o: { from: string; dataDir: string; replace: boolean; logger: Logger },
  call: LongCall,
) => Promise<OperationResult>;
