/** One run of a move, a sweep, or a brain: who sends a call, and what it has read. The claims of S1 are checked against this, not against what it believes. */
import type { ModelRequest } from '@couchestor/mayastor-simulator/domain/request';
import type { Answer } from '@couchestor/shared/mayastor/answer';
import type { SimProcess } from './sim-process.ts';

interface ReadVolume {
  readonly spec: { readonly num_replicas: number };
  readonly state: {
    readonly status: string;
    readonly target?: { readonly state: string; readonly rebuilds: number; readonly children: readonly unknown[] };
    readonly replica_topology: Readonly<Record<string, ReadReplica>>;
  };
}

interface ReadReplica {
  readonly state: string;
  readonly 'child-status'?: string;
  readonly 'rebuild-progress'?: number;
  readonly healthy?: boolean;
}

export class Caller {
  readonly name: string;
  readonly process: SimProcess;
  /** Of a move's run. */
  readonly job: { readonly moveId: string; readonly volumeId: string } | undefined;
  /** When its last look at the cluster began. */
  lookedAtMs = 0;
  /** Whether that look was answered from the past, or not at all. */
  fooled = false;
  /** Since when every reading has shown these replicas synced, and the last one. */
  #synced = new Map<string, { readonly sinceMs: number; readonly lastMs: number }>();

  constructor(o: { name: string; process: SimProcess; job?: { moveId: string; volumeId: string } }) {
    this.name = o.name;
    this.process = o.process;
    this.job = o.job;
  }

  asks(request: ModelRequest, nowMs: number): void {
    if (request.method === 'GET' && request.path === '/v0/pools') {
      this.lookedAtMs = nowMs;
      this.fooled = false;
    }
  }

  wasHit(stale: boolean): void {
    this.fooled ||= stale;
  }

  reads(request: ModelRequest, answer: Answer, nowMs: number): void {
    if (request.method !== 'GET' || request.path !== `/v0/volumes/${this.job?.volumeId}`) {
      return;
    }
    const volume = answer.status === 200 ? (JSON.parse(answer.body) as ReadVolume) : undefined;
    const before = this.#synced;
    this.#synced = new Map();
    for (const [uuid, replica] of Object.entries(volume?.state.replica_topology ?? {})) {
      if (volume !== undefined && looksSynced(volume, replica)) {
        this.#synced.set(uuid, { sinceMs: before.get(uuid)?.sinceMs ?? nowMs, lastMs: nowMs });
      }
    }
  }

  /** How long readings without a gap, the last one among them, have shown the replica synced. Undefined: the last one did not. */
  sawSyncedForMs(uuid: string): number | undefined {
    const seen = this.#synced.get(uuid);
    return seen === undefined ? undefined : seen.lastMs - seen.sinceMs;
  }
}

/** The predicate of "synced", written down once more: what checks the product must not be the product. */
function looksSynced({ spec, state }: ReadVolume, replica: ReadReplica): boolean {
  const { target } = state;
  return (
    replica.state === 'Online' &&
    replica['child-status'] === 'Online' &&
    (replica['rebuild-progress'] ?? null) === null &&
    replica.healthy !== false &&
    state.status === 'Online' &&
    target?.state === 'Online' &&
    target.rebuilds === 0 &&
    target.children.length === spec.num_replicas
  );
}
