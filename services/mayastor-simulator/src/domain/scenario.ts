/** What a cluster looks like at its start, and how hard its volumes work: the schema of `deploy/local/*.yaml`. */
import { z } from 'zod';

export const blockBytes = 4096;
const mebibyte = 1024 * 1024;

const sizeUnits: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: mebibyte, GiB: 1024 * mebibyte, TiB: 1024 * 1024 * mebibyte };

const sizeBytes = z
  .union([z.int().positive(), z.string().regex(/^\d+(KiB|MiB|GiB|TiB)?$/, 'write bytes, or digits and KiB, MiB, GiB or TiB')])
  .transform((value) => (typeof value === 'number' ? value : Number.parseInt(value, 10) * (sizeUnits[value.replace(/^\d+/, '')] ?? 1)));

const id = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be lower-case letters, digits, - and .');
const labels = z.record(z.string().min(1).max(317), z.string().max(63));

export const loadPhaseSchema = z.strictObject({
  forSeconds: z.number().positive().max(86_400),
  iops: z.number().min(0).max(20_000),
  readFraction: z.number().min(0).max(1).default(0.7),
});
export type LoadPhase = z.infer<typeof loadPhaseSchema>;

export const loadSchema = z.array(loadPhaseSchema).max(200);
/** What follows the last phase: more of it, or the first one again. */
export const loadRepeatsSchema = z.enum(['last', 'all']);

const scenarioVolumeSchema = z.strictObject({
  name: z.string().min(1).max(63),
  uuid: z.uuid().optional(),
  sizeBytes: sizeBytes.refine((size) => size % blockBytes === 0, `must be a multiple of ${blockBytes}`),
  replicas: z.int().min(1).max(16),
  /** Where the replicas lie at the start, one pool each. */
  pools: z.array(id).min(1),
  thin: z.boolean().default(true),
  selfHeal: z.boolean().default(true),
  labels: labels.default({}),
  topology: z
    .strictObject({
      /** Keys that a pool must have, whatever their value. */
      presence: z.array(z.string().min(1)).default([]),
      /** Keys and values that a pool must have. */
      inclusion: labels.default({}),
      allowedNodes: z.array(id).optional(),
      nodeInclusion: labels.default({}),
      /** Node label keys of which two replicas may not share a value. */
      nodeSpread: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
  affinityGroup: z.string().min(1).optional(),
  published: z.boolean().default(true),
  /** Node of the target. Absent: that of the first replica. */
  targetNode: id.optional(),
  snapshots: z.int().min(0).max(16).default(0),
  /** Share of the blocks that hold data at the start. */
  filledPercent: z.number().min(0).max(100).default(0),
  load: loadSchema.default([]),
  loadRepeats: loadRepeatsSchema.default('last'),
});

const scenarioFields = z.strictObject({
  seed: z.int().min(0).max(0xffff_ffff).default(1),
  mayastorVersion: z.enum(['2.10', '2.9']).default('2.10'),
  rebuildBytesPerSecond: sizeBytes.default(32 * mebibyte),
  /** Rebuilds of the whole cluster at a time. Absent: no limit. */
  rebuildsMax: z.int().min(0).optional(),
  /** How often the control plane looks at its nodes: a GET shows a state up to this old. 0: always the present one. */
  cacheLagMs: z.int().min(0).max(600_000).default(0),
  /** How long one operation on a volume takes; a second one meanwhile is a conflict. */
  operationMs: z.int().min(0).max(600_000).default(0),
  /** Period of the control plane's self-healing loop. */
  reconcileMs: z.int().min(10).max(3_600_000).default(10_000),
  /** How long a child may be faulted before its replica is replaced. */
  faultedChildWaitMs: z.int().min(0).default(600_000),
  /** How long a lost target is waited for before another node takes over. */
  failoverMs: z.int().min(0).default(5_000),
  nodes: z.array(
    z.strictObject({
      id,
      labels: labels.default({}),
      /** False: an engine too old to rebuild a volume with snapshots. */
      rebuildsSnapshots: z.boolean().default(true),
    }),
  ),
  pools: z.array(
    z.strictObject({
      id,
      node: id,
      capacityBytes: sizeBytes,
      labels: labels.default({}),
      encrypted: z.boolean().default(false),
      clusterSizeBytes: sizeBytes.default(4 * mebibyte),
    }),
  ),
  volumes: z.array(scenarioVolumeSchema),
});

export const scenarioSchema = scenarioFields.superRefine((scenario, context) => {
  const issue = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  const nodes = new Set(scenario.nodes.map((node) => node.id));
  const nodeOfPool = new Map(scenario.pools.map((pool) => [pool.id, pool.node]));
  for (const kind of ['nodes', 'pools'] as const) {
    duplicates(scenario[kind].map((item) => item.id)).forEach((index) =>
      issue([kind, index, 'id'], 'is used twice: give it a name of its own'),
    );
  }
  duplicates(scenario.volumes.map((volume) => volume.name)).forEach((index) =>
    issue(['volumes', index, 'name'], 'is used twice: give it a name of its own'),
  );
  scenario.pools.forEach((pool, index) => {
    if (!nodes.has(pool.node)) {
      issue(['pools', index, 'node'], `names node "${pool.node}", which nodes[] does not list`);
    }
  });
  scenario.volumes.forEach((volume, index) => {
    if (volume.pools.length !== volume.replicas) {
      issue(['volumes', index, 'pools'], `must name one pool per replica: ${volume.replicas}, not ${volume.pools.length}`);
    }
    volume.pools.forEach((pool, at) => {
      if (!nodeOfPool.has(pool)) {
        issue(['volumes', index, 'pools', at], `names pool "${pool}", which pools[] does not list`);
      }
    });
    duplicates(volume.pools.map((pool) => nodeOfPool.get(pool))).forEach((at) =>
      issue(['volumes', index, 'pools', at], 'lies on a node that holds another replica of this volume: choose a pool of another node'),
    );
    if (volume.targetNode !== undefined && !nodes.has(volume.targetNode)) {
      issue(['volumes', index, 'targetNode'], `names node "${volume.targetNode}", which nodes[] does not list`);
    }
  });
});

export type Scenario = z.infer<typeof scenarioSchema>;
/** A scenario before its defaults are filled in, as tests write it. */
export type ScenarioInput = z.input<typeof scenarioSchema>;
export type ScenarioVolume = Scenario['volumes'][number];

/** Indexes of the items that stand earlier in the list already. */
function duplicates(items: readonly unknown[]): number[] {
  return items.flatMap((item, index) => (item !== undefined && items.indexOf(item) < index ? [index] : []));
}
