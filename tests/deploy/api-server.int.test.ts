/**
 * Every manifest before the real API server, by server-side dry-run, and what operator.yaml makes for real.
 *
 * The server may be 1.20: what it does not know yet is held against the schemas of newer versions instead.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskPools } from '@couchestor/shared/kubernetes/objects';
import { type KubeApiServer, startKubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { findKustomize, type Kustomize } from '../../scripts/manifests/kustomize.ts';
import { Kubectl } from './kubectl.ts';
import { type Manifest, manifestsOf, render, root } from './manifests.ts';

let server: KubeApiServer;
let kubectl: Kubectl;
let folder: string;
let kustomize: Kustomize;
let known: ReadonlySet<string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-deploy-'));
  kustomize = await findKustomize(process.env);
  server = await startKubeApiServer();
  kubectl = Kubectl.of(server, { folder });
  // Objects of a namespace are refused while it is missing, also in a dry run.
  await kubectl.must(['apply', '-f', join(root, 'deploy/base/namespace/namespace.yaml')]);
  await kubectl.applyCrds();
  const stdout = await kubectl.must(['api-resources', '--no-headers']);
  known = new Set(stdout.split('\n').flatMap((line) => /(\S+)\s+(?:true|false)\s+(\S+)$/.exec(line)?.slice(1, 3).join(' ') ?? []));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Of each kind that a server may lack: what takes its place. */
const exceptions: Readonly<Record<string, (manifest: object) => void>> = {
  'policy/v1 PodDisruptionBudget': (manifest) => new PodDisruptionBudget(manifest as never).validate(),
  'monitoring.coreos.com/v1 ServiceMonitor': (manifest) => new ServiceMonitor(manifest as never).validate(),
  'monitoring.coreos.com/v1 PrometheusRule': (manifest) => new PrometheusRule(manifest as never).validate(),
};

describe.each(['deploy/overlays/operator', 'deploy/overlays/local', 'deploy/overlays/production', 'deploy/monitoring'])('%s', (path) => {
  it('is taken by the API server', async () => {
    const manifests = await render(kustomize, path);
    const taken = manifests.filter((manifest) => known.has(typeOf(manifest)));
    const { code, stdout, stderr } = await kubectl.apply(taken.map((manifest) => stringify(manifest)).join('---\n'), ['--dry-run=server']);
    expect(stderr.replaceAll(/^Warning: .*\n/gm, '')).toBe('');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(taken.length);

    const others = manifests.filter((manifest) => !known.has(typeOf(manifest)));
    expect(others.map(typeOf).filter((type) => exceptions[type] === undefined)).toEqual([]);
    for (const manifest of others) {
      exceptions[typeOf(manifest)]?.(manifest);
    }
  }, 120_000);
});

it("refuses a budget, a monitor and a rule that are wrong, where the schemas take the server's place", () => {
  for (const [type, validate] of Object.entries(exceptions)) {
    const [apiVersion, kind] = type.split(' ');
    const wrong = { apiVersion, kind, metadata: { name: 'wrong' }, spec: { selector: 7, groups: 'none', endpoints: 1 } };
    expect(() => validate(wrong), type).toThrow();
  }
});

describe('the examples', () => {
  const dryRun = async (path: string): Promise<Manifest[]> => {
    const taken = await kubectl.must(['apply', '--dry-run=server', '-o', 'json', '-f', join(root, path)]);
    return (JSON.parse(taken) as { items: Manifest[] }).items;
  };

  it('of StorageClasses are taken by the API server', async () => {
    const path = 'deploy/examples/storageclass-examples.yaml';
    expect((await dryRun(path)).map(({ parameters }) => parameters)).toEqual(manifestsOf(path).map(({ parameters }) => parameters));
  });

  it("of DiskPools hold nothing that Mayastor's definition does not know", async () => {
    const path = 'deploy/examples/diskpool-examples.yaml';
    const definition = await kubectl.apply(stringify(diskPoolDefinition));
    expect(definition.code, definition.stderr).toBe(0);
    await kubectl.must(['wait', '--for=condition=Established', '--timeout=30s', `crd/${diskPoolDefinition.metadata.name}`]);
    await kubectl.must(['create', 'namespace', 'mayastor']);
    await waitUntil(async () => (await kubectl.run(['get', 'diskpools', '-A'])).code === 0, { timeoutMs: 30_000, what: 'DiskPools' });
    // The server takes away what it does not know.
    expect((await dryRun(path)).map(({ spec }) => spec)).toEqual(manifestsOf(path).map(({ spec }) => spec));
  });

  it('of ErasureCodingPolicies, and of a pod that uses a volume of a vault, are taken by the API server', async () => {
    const policies = await kubectl.run([
      'apply',
      '--dry-run=server',
      '-f',
      join(root, 'deploy/examples/erasurecodingpolicy-examples.yaml'),
    ]);
    expect(policies).toMatchObject({ code: 0, stderr: '' });
    // This server lets no container be privileged, which is asked for in earnest.
    const pod = (await readFile(join(root, 'deploy/examples/ec-volume-pod.yaml'), 'utf8')).replace('privileged: true', 'privileged: false');
    expect(await kubectl.apply(pod, ['--dry-run=server'])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('the Quick Start', () => {
  it('applies operator.yaml and the examples as they are', async () => {
    const operator = await kubectl.apply(await readFile(join(root, 'deploy/operator.yaml'), 'utf8'));
    expect(operator.code, operator.stderr).toBe(0);
    const again = await kubectl.apply(await readFile(join(root, 'deploy/operator.yaml'), 'utf8'));
    expect(again.code, again.stderr).toBe(0);
    expect(again.stdout.split('\n').filter((line) => / created$/.test(line))).toEqual([]);
    const examples = await kubectl.run(['apply', '-f', join(root, 'deploy/examples/storagepolicy-examples.yaml')]);
    expect(examples.code, examples.stderr).toBe(0);
    expect((await kubectl.run(['get', 'storagepolicies', '--no-headers'])).stdout).toContain('production-tiering');
  });

  it('makes the passwords with no more rights than to make Secrets, once, and leaves them as they are', async () => {
    const account = { namespace: 'couchestor-system', name: 'couchestor-make-secrets' };
    const first = await kubectl.makeSecrets(account);
    expect(first.stdout).toBe('couchestor-nats: made\ncouchestor-redis: made\ncouchestor-ec: made\n');
    const before = (await kubectl.run(['-n', account.namespace, 'get', 'secret', 'couchestor-nats', '-o', 'jsonpath={.data}'])).stdout;
    expect(Object.keys(JSON.parse(before))).toContain('migrator');

    const second = await kubectl.makeSecrets(account);
    expect(second.stdout).toBe('couchestor-nats: is there already\ncouchestor-redis: is there already\ncouchestor-ec: is there already\n');
    expect((await kubectl.run(['-n', account.namespace, 'get', 'secret', 'couchestor-nats', '-o', 'jsonpath={.data}'])).stdout).toBe(
      before,
    );

    const as = ['--as', `system:serviceaccount:${account.namespace}:${account.name}`, '-n', account.namespace];
    expect((await kubectl.run(['auth', 'can-i', 'get', 'secrets', ...as])).stdout.trim()).toBe('no');
    expect((await kubectl.run(['auth', 'can-i', 'delete', 'secrets', ...as])).stdout.trim()).toBe('no');
  });
});

/** What Mayastor's own definition has of a pool that somebody writes, as of OpenEBS 4.3. */
const diskPoolDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${diskPools.plural}.${diskPools.group}` },
  spec: {
    group: diskPools.group,
    names: { kind: diskPools.kind, plural: diskPools.plural, singular: 'diskpool' },
    scope: 'Namespaced',
    versions: [
      {
        name: diskPools.version,
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['node', 'disks'],
                properties: {
                  node: { type: 'string' },
                  disks: { type: 'array', items: { type: 'string' } },
                  topology: {
                    type: 'object',
                    properties: { labelled: { type: 'object', additionalProperties: { type: 'string' } } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

function typeOf({ apiVersion, kind }: Manifest): string {
  return `${apiVersion} ${kind}`;
}
