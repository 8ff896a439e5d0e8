/** The definitions and the examples in a real API server. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { erasureCodingPolicySpecSchema } from '../erasure-coding-policy.ts';
import type { CodedError } from '../errors.ts';
import { KubeApi } from '../kubernetes/api.ts';
import { collectionPath, objectPath, type Resource } from '../kubernetes/resource.ts';
import { migrationHistoryMax, type StoragePolicyStatus } from '../storage-policy.ts';
import { type KubeApiServer, startKubeApiServer } from '../testing/kube/api-server.ts';
import { type InstalledCrd, installCrds } from '../testing/kube/install-crds.ts';
import { crdOf, policyKinds } from './crd.ts';
import { judgeErasureCodingPolicy, judgeStoragePolicy } from './judge.ts';
import { erasureCodingPolicies, storagePolicies } from './resources.ts';

interface PolicyObject {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

let server: KubeApiServer;
let api: KubeApi;
let installed: InstalledCrd[];
const made: { resource: Resource<unknown>; name: string }[] = [];

beforeAll(async () => {
  server = await startKubeApiServer();
  api = KubeApi.load({ kubeconfig: server.kubeconfig });
  installed = await installCrds(api);
});

afterEach(async () => {
  for (const { resource, name } of made.splice(0)) {
    await api.remove(resource, { name });
  }
});

afterAll(async () => {
  await api?.close();
  await server?.stop();
});

const bodyOf = (resource: Resource<unknown>, name: string, spec: unknown) => ({
  apiVersion: `${resource.group}/${resource.version}`,
  kind: resource.kind,
  metadata: { name },
  spec,
});

/** As the API server keeps it, with every field. */
async function create(resource: Resource<unknown>, name: string, spec: unknown, more: object = {}): Promise<PolicyObject> {
  const body = { ...bodyOf(resource, name, spec), ...more };
  const created = (await api.raw({ method: 'POST', path: collectionPath(resource), body })) as PolicyObject;
  made.push({ resource, name });
  return created;
}

async function patch(resource: Resource<unknown>, name: string, body: object, subresource?: 'status'): Promise<PolicyObject> {
  const path = objectPath(resource, { name }, subresource);
  return (await api.raw({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })) as PolicyObject;
}

async function refusal(call: Promise<unknown>): Promise<CodedError> {
  const error: unknown = await call.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  expect(error).toMatchObject({ code: 'KUBE_INVALID' });
  return error as CodedError;
}

describe('the definitions in an API server', () => {
  it('are accepted, established and structural, with the short names and the category free', () => {
    expect(installed.map(({ metadata }) => metadata.name).sort()).toEqual(policyKinds.map((kind) => crdOf(kind).metadata.name).sort());
    for (const { status, spec } of installed) {
      const conditions = Object.fromEntries((status?.conditions ?? []).map((condition) => [condition.type, condition.status]));
      expect(conditions).toMatchObject({ Established: 'True', NamesAccepted: 'True' });
      // Only there where something is wrong.
      expect(conditions['NonStructuralSchema'] ?? 'False').toBe('False');
      expect(spec.scope).toBe('Cluster');
    }
  });

  it('can be applied again', async () => {
    expect(await installCrds(api)).toHaveLength(2);
  });
});

describe.each([
  { file: 'storagepolicy-examples.yaml', resource: storagePolicies as Resource<unknown>, judge: judgeStoragePolicy },
  { file: 'erasurecodingpolicy-examples.yaml', resource: erasureCodingPolicies as Resource<unknown>, judge: judgeErasureCodingPolicy },
])('the examples of $file', ({ file, resource, judge }) => {
  const documents = parseAllDocuments(readFileSync(new URL(`../../../deploy/examples/${file}`, import.meta.url), 'utf8'));

  it.each(documents.map((document) => document.toJS() as PolicyObject).map((document) => ({ name: document.metadata.name, document })))(
    '$name is accepted, and its defaults are those that a file gets',
    async ({ name, document }) => {
      const { spec } = await create(resource, name, document.spec);
      expect({ spec }).toEqual(judge(document.spec));
    },
  );
});

describe('a custom resource', () => {
  it('gets its defaults, and loses the fields that nobody knows', async () => {
    const { spec } = await create(storagePolicies, 'plain', { highWatermarkIops: 1, nvmePoolSelector: {}, hotPoolSelector: { nope: 1 } });
    expect({ spec }).toEqual(judgeStoragePolicy({ hotPoolSelector: {} }));
    expect(spec).not.toHaveProperty('migrationTimeout');
    expect(spec).not.toHaveProperty('maxConcurrentMigrations');
    const ec = await create(erasureCodingPolicies, 'plain', { journalConfig: { destageInterval: '5s', nope: 1 } });
    expect({ spec: ec.spec }).toEqual(judgeErasureCodingPolicy({ journalConfig: { destageInterval: '5s' } }));
  });

  it.each(['90', '1h30m', ' 1D ', '0h5', '00m30s', '12345678s', '1d2h3m4s5'])(
    'may have a duration of "%s", as a file may',
    async (text) => {
      const { spec } = await create(storagePolicies, 'durations', { samplingWindow: text, migrationTimeout: text });
      expect({ spec }).toEqual(judgeStoragePolicy({ samplingWindow: text, migrationTimeout: text }));
    },
  );

  it('is read with its spec as it is', async () => {
    await create(storagePolicies, 'plain', {});
    const read = await api.get(storagePolicies, { name: 'plain' });
    expect(read?.spec).toMatchObject({ highWatermarkIOPS: 5_000 });
    expect(read?.status).toBeUndefined();
    expect(read?.metadata.generation).toBe(1);
    expect((await api.list(storagePolicies)).invalid).toEqual([]);
  });

  it('has a status apart: neither write touches the other, and only a new spec is a new generation', async () => {
    const created = await create(storagePolicies, 'apart', {}, { status: { phase: 'Active' } });
    expect(created.status).toBeUndefined();
    const ignored = await patch(storagePolicies, 'apart', { status: { phase: 'Active' } });
    expect([ignored.status, ignored.metadata.generation]).toEqual([undefined, 1]);
    const reported = await patch(storagePolicies, 'apart', { status: { phase: 'Pending' }, spec: { dryRun: true } }, 'status');
    expect([reported.status, reported.metadata.generation, reported.spec['dryRun']]).toEqual([{ phase: 'Pending' }, 1, false]);
    const changed = await patch(storagePolicies, 'apart', { spec: { dryRun: true } });
    expect([changed.status, changed.metadata.generation, changed.spec['dryRun']]).toEqual([{ phase: 'Pending' }, 2, true]);
  });

  it.each([
    ['highWatermarkIOPS', { highWatermarkIOPS: 0 }],
    ['highWatermarkIOPS', { highWatermarkIOPS: 100_000_001 }],
    ['lowWatermarkIOPS', { lowWatermarkIOPS: -1 }],
    ['lowWatermarkIOPS', { lowWatermarkIOPS: 0.5 }],
    ['warmWatermarkIOPS', { warmWatermarkIOPS: '2000' }],
    ['samplingWindow', { samplingWindow: '1 hour' }],
    ['samplingWindow', { samplingWindow: '' }],
    ['cooldownPeriod', { cooldownPeriod: '0s' }],
    ['migrationTimeout', { migrationTimeout: '30x' }],
    ['storageClassName', { storageClassName: 'Not_a_DNS_name' }],
    ['ecPolicyRef', { ecPolicyRef: 'x'.repeat(254) }],
    ['maxConcurrentMigrations', { maxConcurrentMigrations: 0 }],
    ['capacityWatermarkPercent', { capacityWatermarkPercent: 101 }],
    ['ecMinVolumeSizeBytes', { ecMinVolumeSizeBytes: -1 }],
    ['enabled', { enabled: 'yes' }],
    ['operator', { hotPoolSelector: { matchExpressions: [{ key: 'a', operator: 'Gt' }] } }],
    ['matchLabels', { hotPoolSelector: { matchLabels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v'])) } }],
  ])('is refused for a bad %s', async (field, spec) => {
    const error = await refusal(create(storagePolicies, 'bad', spec));
    expect(error.facts).toMatchObject({ status: 422 });
    expect(String(error.facts['message'])).toContain(field);
    expect(judgeStoragePolicy(spec)).toHaveProperty('problems');
  });

  it.each([
    ['dataShards', { dataShards: 0 }],
    ['parityShards', { parityShards: 255 }],
    ['stripeSizeBytes', { stripeSizeBytes: 65_535 }],
    ['stripeSizeBytes', { stripeSizeBytes: 67_108_865 }],
    ['algorithm', { algorithm: 'Raid5' }],
    ['codec', { codec: 'jerasure' }],
    ['minHealthyShards', { minHealthyShards: 0 }],
    ['destageThresholdPercent', { journalConfig: { destageThresholdPercent: 0 } }],
    ['replicationFactor', { journalConfig: { replicationFactor: 0 } }],
    ['destageInterval', { journalConfig: { destageInterval: 'soon' } }],
    ['scrubInterval', { scrubInterval: '7 days' }],
  ])('of erasure coding is refused for a bad %s', async (field, spec) => {
    const error = await refusal(create(erasureCodingPolicies, 'bad', spec));
    expect(error.facts).toMatchObject({ status: 422 });
    expect(String(error.facts['message'])).toContain(field);
    expect(judgeErasureCodingPolicy(spec)).toHaveProperty('problems');
  });

  it.each([
    [storagePolicies as Resource<unknown>, judgeStoragePolicy, { highWatermarkIOPS: 100 }],
    [erasureCodingPolicies as Resource<unknown>, judgeErasureCodingPolicy, { algorithm: 'LRC' }],
    [erasureCodingPolicies as Resource<unknown>, judgeErasureCodingPolicy, { dataShards: 200, parityShards: 100 }],
  ])(
    'is refused for a broken rule where the server has CEL, and by our own judgement where it has not: %#',
    async (resource, judge, spec) => {
      const { problems } = judge(spec) as { problems: string[] };
      expect(problems).not.toEqual([]);
      if (hasCel()) {
        const error = await refusal(create(resource, 'broken', spec));
        expect(error.facts).toMatchObject({ status: 422 });
        return;
      }
      const created = await create(resource, 'broken', spec);
      expect(judge(created.spec)).toEqual({ problems });
    },
  );

  it('of erasure coding keeps the shape that it was accepted with', async () => {
    const { spec } = await create(erasureCodingPolicies, 'shape', { dataShards: 4 });
    const accepted = erasureCodingPolicySpecSchema.parse(spec);
    if (hasCel()) {
      const error = await refusal(patch(erasureCodingPolicies, 'shape', { spec: { dataShards: 6 } }));
      expect(String(error.facts['message'])).toContain('cannot be changed');
      return;
    }
    const changed = await patch(erasureCodingPolicies, 'shape', { spec: { dataShards: 6 } });
    expect(judgeErasureCodingPolicy(changed.spec, accepted)).toEqual({
      problems: [expect.stringMatching(/^spec\.dataShards: cannot be changed .*\(4 was accepted, 6 is written\)$/)],
    });
  });
});

describe('the status', () => {
  const at = '2026-01-02T03:04:05Z';
  const move = {
    volumeName: 'pvc-1',
    timestamp: at,
    fromTier: 'cold',
    toTier: 'hot',
    triggerIOPS: 5_100.5,
    duration: '4.2s',
    success: true,
  };
  const full: StoragePolicyStatus = {
    phase: 'Active',
    observedGeneration: 1,
    watchedVolumes: 6,
    hotVolumes: 1,
    warmVolumes: 2,
    coldVolumes: 3,
    activeMigrations: 1,
    totalMigrations: 5_000_000_000,
    failedMigrations: 1,
    lastReconcileTime: at,
    conditions: [
      { type: 'Ready', status: 'True', observedGeneration: 1, lastTransitionTime: at, reason: 'Deciding', message: 'All well.' },
    ],
    migrationHistory: [move, { ...move, success: false, error: 'SYNC_TIMEOUT: too slow' }],
  };

  it('keeps every field of a StoragePolicy', async () => {
    await create(storagePolicies, 'told', {});
    await api.mergePatch(storagePolicies, { name: 'told', subresource: 'status' }, { status: full });
    expect((await api.get(storagePolicies, { name: 'told' }))?.status).toEqual(full);
  });

  it('keeps every field of an ErasureCodingPolicy, and adds nothing to the accepted spec', async () => {
    await create(erasureCodingPolicies, 'told', {});
    const status = {
      phase: 'Invalid',
      observedGeneration: 2,
      activeVolumes: 1,
      totalStripes: 4,
      healthyStripes: 2,
      degradedStripes: 1,
      rebuildingStripes: 1,
      storageEfficiency: 2 / 3,
      lastValidationTime: at,
      message: 'spec.codec: cannot be changed.',
      acceptedSpec: erasureCodingPolicySpecSchema.parse({ minHealthyShards: 5 }),
      conditions: full.conditions,
    };
    const written = await patch(erasureCodingPolicies, 'told', { status }, 'status');
    expect(written.status).toEqual(status);
    expect((await api.get(erasureCodingPolicies, { name: 'told' }))?.status).toEqual(status);
    const sparse = await patch(erasureCodingPolicies, 'told', { status: { acceptedSpec: { scrubInterval: null } } }, 'status');
    expect(sparse.status?.['acceptedSpec']).not.toHaveProperty('scrubInterval');
  });

  it.each([
    ['phase', { phase: 'Fine' }],
    ['migrationHistory', { migrationHistory: Array.from({ length: migrationHistoryMax + 1 }, () => move) }],
    ['triggerIOPS', { migrationHistory: [{ ...move, triggerIOPS: undefined }] }],
    ['lastReconcileTime', { lastReconcileTime: 'yesterday' }],
    ['status', { conditions: [{ type: 'Ready' }] }],
    ['reason', { conditions: [{ ...full.conditions?.[0], reason: 'x'.repeat(1_025) }] }],
    ['totalMigrations', { totalMigrations: -1 }],
  ])('is refused for a bad %s', async (field, status) => {
    await create(storagePolicies, 'told', {});
    const error = await refusal(patch(storagePolicies, 'told', { status }, 'status'));
    expect(error.facts).toMatchObject({ status: 422 });
    expect(String(error.facts['message'])).toContain(field);
  });
});

describe('kubectl get', () => {
  it.each([
    [
      storagePolicies as Resource<unknown>,
      { highWatermarkIOPS: 9_000 },
      {
        phase: 'Active',
        watchedVolumes: 7,
        totalMigrations: 3,
        failedMigrations: 1,
        conditions: [{ type: 'Ready', status: 'True', reason: 'DryRun' }],
      },
      {
        narrow: { Name: 'shown', 'High IOPS': 9_000, 'Low IOPS': 500, Phase: 'Active', Watched: 7, Migrations: 3, Age: expect.any(String) },
        wide: { Class: 'mayastor', 'Warm IOPS': 2_000, Failed: 1, Ready: 'DryRun' },
      },
    ],
    [
      erasureCodingPolicies as Resource<unknown>,
      { dataShards: 8 },
      { phase: 'Ready', activeVolumes: 2, degradedStripes: 0, message: 'Fine.' },
      {
        narrow: {
          Name: 'shown',
          'Data Shards': 8,
          'Parity Shards': 2,
          'Stripe Size': 1_048_576,
          Algorithm: 'ReedSolomon',
          Phase: 'Ready',
          Age: expect.any(String),
        },
        wide: { Codec: 'isal-compatible', Volumes: 2, Degraded: 0, Message: 'Fine.' },
      },
    ],
  ])('shows the columns of $kind', async (resource, spec, status, { narrow, wide }) => {
    await create(resource, 'shown', spec);
    await patch(resource, 'shown', { status }, 'status');
    const columns = await tableOf(resource, 'shown');
    const shown = (isWide: boolean) =>
      Object.fromEntries(columns.filter(({ priority }) => priority > 0 === isWide).map(({ name, value }) => [name, value]));
    expect(shown(false)).toEqual(narrow);
    expect(shown(true)).toEqual(wide);
  });
});

/** Servers without CEL drop the rules when they store the definition. */
function hasCel(): boolean {
  return installed.some(({ spec }) => {
    const schema = spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'];
    return schema?.['x-kubernetes-validations'] !== undefined;
  });
}

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

/** What kubectl asks for: the columns with the values of one object. */
async function tableOf(resource: Resource<unknown>, name: string): Promise<{ name: string; priority: number; value: unknown }[]> {
  const config = new KubeConfig();
  config.loadFromFile(server.kubeconfig);
  const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] = {};
  await config.applyToHTTPSOptions(options);
  const url = `${config.getCurrentCluster()?.server}${objectPath(resource, { name })}`;
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { ...options.headers, accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const asked = request(url, { ...options, headers }, (response) => text(response).then(resolve, reject));
    asked.once('error', reject).end();
  });
  const { columnDefinitions, rows } = JSON.parse(answer) as Table;
  return columnDefinitions.map(({ name: column, priority }, index) => ({ name: column, priority, value: rows[0]?.cells[index] }));
}
