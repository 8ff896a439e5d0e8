/** A small cluster for tests: four nodes with a hot pool each, cold pools on two of them, one volume. */
import { advance } from './advance.ts';
import type { Cluster, Effect, Replica, Volume } from './cluster.ts';
import { createCluster, volumeNameLabel } from './create-cluster.ts';
import { handle, type Outcome } from './handle.ts';
import type { ErrorBody } from './refusal.ts';
import type { ModelRequest } from './request.ts';
import { type Scenario, type ScenarioInput, scenarioSchema } from './scenario.ts';

export const mebibyte = 1024 * 1024;

export const gate = { couchestor: 'true' };

export const smallVolume = {
  name: 'data',
  sizeBytes: '8MiB',
  replicas: 2,
  pools: ['hot-n1', 'hot-n2'],
  topology: { presence: ['couchestor'] },
} satisfies ScenarioInput['volumes'][number];

export const smallScenario = {
  rebuildBytesPerSecond: mebibyte,
  nodes: ['n1', 'n2', 'n3', 'n4'].map((id) => ({ id })),
  pools: [
    ...['n1', 'n2', 'n3', 'n4'].map((node) => ({ id: `hot-${node}`, node, capacityBytes: '1GiB', labels: { ...gate, tier: 'hot' } })),
    ...['n3', 'n4'].map((node) => ({ id: `cold-${node}`, node, capacityBytes: '1GiB', labels: { ...gate, tier: 'cold' } })),
  ],
  volumes: [smallVolume],
} satisfies ScenarioInput;

type VolumeInput = ScenarioInput['volumes'][number];

/** The small cluster with other settings, and its one volume with other fields. */
export function scenarioWith(changes: Partial<ScenarioInput> = {}, volume: Partial<VolumeInput> = {}): Scenario {
  const volumes = changes.volumes ?? smallScenario.volumes.map((existing) => ({ ...existing, ...volume }));
  return scenarioSchema.parse({ ...smallScenario, ...changes, volumes });
}

export interface ReplyOf<T> {
  readonly status: number;
  readonly body: T;
}

/** A cluster with a clock of its own. */
export class TestCluster {
  cluster: Cluster;
  nowMs = 0;
  effects: Effect[];

  constructor(scenario: Scenario = scenarioWith(), seed = 1) {
    const { cluster, effects } = createCluster(scenario, seed);
    this.cluster = cluster;
    this.effects = effects;
  }

  request(method: ModelRequest['method'], path: string, body?: unknown): Outcome {
    const url = new URL(`/v0${path}`, 'http://test');
    const outcome = handle(this.cluster, { method, path: url.pathname, query: Object.fromEntries(url.searchParams), body }, this.nowMs);
    this.effects.push(...outcome.effects);
    return outcome;
  }

  call<T = Record<string, unknown>>(method: ModelRequest['method'], path: string, body?: unknown): ReplyOf<T> {
    const outcome = this.request(method, path, body);
    if (typeof outcome.status !== 'number') {
      throw new Error(`no answer now, but ${outcome.status}`);
    }
    return { status: outcome.status, body: (outcome as { body: unknown }).body as T };
  }

  /** The kind and words of a refusal. */
  refused(method: ModelRequest['method'], path: string, body?: unknown): { status: number; kind: string; details: string } {
    const reply = this.call<ErrorBody>(method, path, body);
    return { status: reply.status, kind: reply.body.kind, details: reply.body.details };
  }

  setCount(count: number, name = 'data'): ReplyOf<VolumeBody> {
    return this.call('PUT', `/volumes/${this.volume(name).uuid}/replica_count/${count}`);
  }

  /** The volume as a GET shows it. */
  shown(name = 'data'): VolumeBody {
    return this.call<VolumeBody>('GET', `/volumes/${this.volume(name).uuid}`).body;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.effects.push(...advance(this.cluster, this.nowMs));
  }

  volume(name = 'data'): Volume {
    const found = Object.values(this.cluster.volumes).find((volume) => volume.labels[volumeNameLabel] === name);
    if (found === undefined) {
      throw new Error(`no volume ${name}`);
    }
    return found;
  }

  replicaOn(pool: string): Replica {
    const found = Object.values(this.cluster.replicas).find((replica) => replica.pool === pool);
    if (found === undefined) {
      throw new Error(`no replica on ${pool}`);
    }
    return found;
  }

  /** The pools of the volume's replicas. */
  pools(name = 'data'): string[] {
    return this.volume(name)
      .replicas.map((uuid) => this.cluster.replicas[uuid]?.pool ?? '?')
      .sort();
  }
}

export interface VolumeBody {
  readonly spec: {
    readonly num_replicas: number;
    readonly operation?: { readonly operation: string };
    readonly target?: { readonly node: string };
  };
  readonly state: {
    readonly status: string;
    readonly target?: {
      readonly uuid: string;
      readonly node: string;
      readonly state: string;
      readonly rebuilds: number;
      readonly children: readonly { readonly uri: string; readonly state: string; readonly rebuildProgress?: number }[];
    };
    readonly replica_topology: Readonly<Record<string, ReplicaBody>>;
  };
}

export interface ReplicaBody {
  readonly state: string;
  readonly node?: string;
  readonly pool?: string;
  readonly 'child-status'?: string;
  readonly 'rebuild-progress'?: number;
  readonly healthy?: boolean;
}
