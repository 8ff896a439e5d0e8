/** What every workload must have, in every overlay. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commonOptions } from '@couchestor/shared/common-options';
import { buckets, streams } from '@couchestor/shared/contracts/registry';
import { serverCatalog } from '@couchestor/shared/servers/catalog';
import { beforeAll, describe, expect, it } from 'vitest';
import { services } from '../../scripts/docs/configuration.ts';
import { findKustomize, type Kustomize } from '../../scripts/manifests/kustomize.ts';
import { natsUsers, passwordVariable } from '../../scripts/manifests/nats-config.ts';
import { operatorManifest, operatorPath } from '../../scripts/manifests/operator.ts';
import { type Manifest, manifestsOf, render, root, workloadsOf } from './manifests.ts';

const overlays = ['operator', 'local', 'production'] as const;
let kustomize: Kustomize;
let rendered: Readonly<Record<(typeof overlays)[number], readonly Manifest[]>>;

beforeAll(async () => {
  kustomize = await findKustomize(process.env);
  const all = await Promise.all(overlays.map(async (name) => [name, await render(kustomize, `deploy/overlays/${name}`)] as const));
  rendered = Object.fromEntries(all) as unknown as typeof rendered;
});

it('operator.yaml is what kustomize makes of its overlay (npm run docs writes it)', async () => {
  expect(readFileSync(join(root, operatorPath), 'utf8')).toBe(await operatorManifest(kustomize));
});

describe.each(overlays)('the overlay %s', (name) => {
  it('runs every pod as the restricted standard asks, without writing to its root file system', () => {
    for (const workload of workloadsOf(rendered[name])) {
      const pod = workload.spec.template.spec;
      expect(pod.securityContext, workload.metadata.name).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod.securityContext.runAsUser, workload.metadata.name).toBeGreaterThan(0);
      for (const container of pod.containers) {
        const isDevelopment = name === 'local' && /^couchestor\//.test(container.image) && workload.kind !== 'Job';
        expect(container.securityContext, workload.metadata.name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: !isDevelopment,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  it('gives every container requests and a limit of memory, and every lasting one a readiness probe', () => {
    for (const { kind, metadata, spec } of workloadsOf(rendered[name])) {
      for (const container of spec.template.spec.containers) {
        expect(container.resources, metadata.name).toMatchObject({
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
        expect(container.readinessProbe === undefined, metadata.name).toBe(kind === 'Job');
      }
    }
  });

  it('selects what it makes: workloads, services and budgets by labels that their pods have', () => {
    const pods = workloadsOf(rendered[name]).map(({ spec }) => ({ labels: spec.template.metadata.labels, ports: portsOf(spec) }));
    const matching = (labels: Record<string, string>) =>
      pods.filter((pod) => Object.entries(labels).every(([key, value]) => pod.labels[key] === value));
    for (const { kind, spec, metadata } of rendered[name]) {
      if (kind === 'Deployment' || kind === 'StatefulSet') {
        expect(matching(spec.selector.matchLabels), metadata.name).toHaveLength(1);
        expect(matching(spec.selector.matchLabels)[0]?.labels).toEqual(spec.template.metadata.labels);
      } else if (kind === 'Service') {
        expect(matching(spec.selector), metadata.name).toHaveLength(1);
        for (const { targetPort } of spec.ports) {
          expect(matching(spec.selector)[0]?.ports, metadata.name).toContain(targetPort);
        }
      } else if (kind === 'PodDisruptionBudget') {
        expect(matching(spec.selector.matchLabels), metadata.name).toHaveLength(1);
      }
    }
  });

  it('has an account for each workload that names one, and a token only for those that ask Kubernetes', () => {
    const accounts = rendered[name].filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name);
    const bound = rendered[name]
      .filter(({ kind }) => /Binding$/.test(kind))
      .flatMap(({ subjects = [] }) => subjects.map((one) => one.name));
    for (const { metadata, spec } of workloadsOf(rendered[name])) {
      const { serviceAccountName, automountServiceAccountToken } = spec.template.spec;
      if (serviceAccountName === undefined) {
        expect(automountServiceAccountToken, metadata.name).toBe(false);
      } else {
        expect(accounts).toContain(serviceAccountName);
      }
    }
    expect(bound.filter((account) => !accounts.includes(account))).toEqual([]);
  });

  it('lets no pod be reached or reach out but by a policy of its own', () => {
    const policies = rendered[name].filter(({ kind }) => kind === 'NetworkPolicy');
    expect(policies.find(({ metadata }) => metadata.name === 'default-deny')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    for (const { metadata, spec } of workloadsOf(rendered[name])) {
      const labels = spec.template.metadata.labels;
      const own = policies.filter(({ spec: { podSelector } }) => {
        const wanted = Object.entries(podSelector.matchLabels ?? {});
        return name === 'local' || (wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value));
      });
      expect(own.length, metadata.name).toBeGreaterThan(0);
    }
  });

  it('sets no variable that no service reads', () => {
    const known = new Set(
      Object.values(services)
        .flatMap(({ options }) => variablesOf(options))
        .concat(variablesOf(commonOptions)),
    );
    const config = rendered[name]
      .filter(({ metadata }) => metadata.name.startsWith('couchestor-config'))
      .flatMap(({ data = {} }) => Object.keys(data));
    const ofPods = workloadsOf(rendered[name])
      .filter(({ kind, spec }) => kind !== 'Job' && /^couchestor\//.test(spec.template.spec.containers[0].image))
      .flatMap(({ spec }) => (spec.template.spec.containers[0].env ?? []).map(({ name: variable }: { name: string }) => variable));
    const passwords = ['NATS_PASSWORD', 'REDIS_PASSWORD'];
    expect([...config, ...ofPods].filter((variable) => !known.has(variable) && !passwords.includes(variable))).toEqual([]);
  });

  it('takes images of the same versions as everything else does', () => {
    const images = new Set(
      workloadsOf(rendered[name]).flatMap(({ spec }) => spec.template.spec.containers.map(({ image }: { image: string }) => image)),
    );
    const foreign = [...images].filter((image) => !image.startsWith('couchestor/'));
    const known = Object.values(serverCatalog).map(({ image }) => image);
    expect(foreign.filter((image) => !known.includes(image))).toEqual([]);
  });

  it('has a budget for what there is more than one of, and for nothing else', () => {
    const several = workloadsOf(rendered[name])
      .filter(({ spec }) => (spec.replicas ?? 1) >= 2)
      .map(({ metadata }) => metadata.name);
    const budgets = rendered[name].filter(({ kind }) => kind === 'PodDisruptionBudget');
    expect(budgets.map(({ metadata }) => metadata.name).sort()).toEqual(several.sort());
    expect(budgets.every(({ spec }) => spec.maxUnavailable === 1)).toBe(true);
  });
});

describe('production', () => {
  it('has two brains, two migrators and three servers of NATS, and one of the others', () => {
    const counts = Object.fromEntries(
      workloadsOf(rendered.production)
        .filter(({ kind }) => kind !== 'Job')
        .map(({ metadata, spec }) => [metadata.name, spec.replicas]),
    );
    expect(counts).toEqual({ 'metrics-watcher': 1, 'policy-brain': 2, migrator: 2, 'ec-encoder': 1, nats: 3, redis: 1 });
  });

  it('names as many routes of NATS as there are servers', () => {
    const config = rendered.production.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('nats-config'));
    expect(config?.data?.['nats.conf']?.match(/nats-route:/g)).toHaveLength(3);
  });

  it('keeps each stream on all servers of NATS; where there is one of them, nothing is said', () => {
    const said = overlays.map((name) =>
      rendered[name]
        .filter(({ metadata }) => metadata.name.startsWith('couchestor-config'))
        .map(({ data }) => data?.[commonOptions.natsStreamReplicas.env]),
    );
    expect(said).toEqual([[], [undefined], ['3']]);
  });
});

describe('NATS', () => {
  it('may keep as much as all streams reserve, and its volume holds that', () => {
    const reserved = [...streams, ...buckets].reduce((sum, { maxBytes }) => sum + maxBytes, 0);
    const config = rendered.operator.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('nats-config'));
    const allowed = Number(/max_file_store: (\d+)/.exec(config?.data?.['nats.conf'] ?? '')?.[1]);
    const nats = rendered.operator.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'nats');
    const volume = nats?.spec.volumeClaimTemplates[0].spec.resources.requests.storage;
    expect(reserved).toBeLessThan(allowed);
    expect(allowed).toBeLessThan(Number.parseInt(volume, 10) * 1024 ** 3);
    expect(volume).toMatch(/^\d+Gi$/);
  });
});

describe('local', () => {
  it('has its images built by the Tiltfile, and a Job that runs the command of its manifest', () => {
    const tiltfile = readFileSync(join(root, 'tilt/Tiltfile'), 'utf8');
    const jobs = rendered.local.filter(({ kind }) => kind === 'Job');
    const images = jobs.map(({ spec }) => spec.template.spec.containers[0].image.split(':')[0]);
    expect(images).toEqual(['couchestor/make-secrets']);
    // Tilt would put the entrypoint of an image in the place of the Job's command.
    expect(/docker_build\("couchestor\/make-secrets"[^)]*\)/.exec(tiltfile)?.[0]).toContain('target = "dev"');
    expect(/docker_build\("couchestor\/make-secrets"[^)]*\)/.exec(tiltfile)?.[0]).not.toContain('entrypoint');
  });
});

describe('ec-encoder', () => {
  const workload = (overlay: (typeof overlays)[number]) =>
    workloadsOf(rendered[overlay]).find(({ metadata }) => metadata.name === 'ec-encoder');

  it('has a volume of its own for the index, for each copy of the journal and for each drive, mounted where its options say', () => {
    const spec = workload('production')?.spec;
    const [container] = spec.template.spec.containers;
    const mounts = new Map<string, string>(
      container.volumeMounts.map((mount: { name: string; mountPath: string }) => [mount.mountPath, mount.name]),
    );
    const valueIn = (variable: string): string => container.env.find(({ name }: { name: string }) => name === variable).value;
    const folders = [...valueIn('EC_DRIVES').split(';'), ...valueIn('EC_JOURNAL').split(';'), '/data'];
    const claims = spec.volumeClaimTemplates.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    expect(folders.map((folder) => mounts.get(folder)).sort()).toEqual(claims.sort());
    expect(valueIn('EC_DATA_DIR')).toMatch(/^\/data\//);
    const policy = manifestsOf('deploy/examples/erasurecodingpolicy-examples.yaml').find(
      ({ metadata }) => metadata.name === valueIn('EC_POLICY'),
    );
    expect(valueIn('EC_DRIVES').split(';')).toHaveLength(policy?.spec.dataShards + policy?.spec.parityShards);
    expect(valueIn('EC_JOURNAL').split(';')).toHaveLength(policy?.spec.journalConfig.replicationFactor);
    const journal = spec.volumeClaimTemplates.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'journal-1');
    const journalBytes = Number.parseInt(journal.spec.resources.requests.storage, 10) * 1024 ** 3;
    expect(journalBytes).toBeGreaterThan(policy?.spec.journalConfig.journalSizeBytes);
  });

  it('waits for a long replay of the journal before it is asked whether it lives, and is given the time to stop', () => {
    const { containers, terminationGracePeriodSeconds } = workload('production')?.spec.template.spec ?? {};
    const { startupProbe } = containers[0];
    expect(startupProbe.httpGet.path).toBe('/readyz');
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(1_800);
    expect(terminationGracePeriodSeconds).toBeGreaterThan(35);
  });

  it('asks for the token that the Job makes, and is reached by those alone who say that they use it', () => {
    const script = readFileSync(join(root, 'deploy/base/secrets/make-secrets.mjs'), 'utf8');
    expect(script).toContain("'couchestor-ec': ['api-token']");
    const { volumes } = workload('production')?.spec.template.spec ?? {};
    expect(volumes).toContainEqual({ name: 'secrets', secret: { secretName: 'couchestor-ec', defaultMode: 0o440 } });
    const policy = rendered.production.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'ec-encoder');
    const clients = policy?.spec.ingress.filter(({ ports }: { ports: { port: number }[] }) => ports.some(({ port }) => port === 10_809));
    expect(clients).toEqual([
      {
        from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'couchestor.io/vault-client': 'true' } } }],
        ports: [
          { port: 10_809, protocol: 'TCP' },
          { port: 8_090, protocol: 'TCP' },
        ],
      },
    ]);
  });

  it('is a workload of its own: the operator moves volumes, and keeps none', () => {
    expect(workload('operator')).toBeUndefined();
    expect(workload('local')?.spec.template.spec.containers[0].env).toContainEqual({ name: 'EC_POLICY', value: 'local' });
  });
});

describe('operator.yaml', () => {
  it('is what the Quick Start reads: the namespace couchestor-system and logs by app.kubernetes.io/name=couchestor', () => {
    const manifests = manifestsOf(operatorPath);
    expect(manifests[0]).toMatchObject({ kind: 'Namespace', metadata: { name: 'couchestor-system' } });
    const operator = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'couchestor');
    expect(operator?.spec.template.metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'couchestor' });
    const elsewhere = manifests.filter(({ metadata }) => metadata.namespace !== undefined && metadata.namespace !== 'couchestor-system');
    expect(elsewhere).toEqual([]);
  });
});

describe('the examples of StorageClasses and DiskPools', () => {
  const gateKey = 'couchestor-managed';
  const policies = manifestsOf('deploy/examples/storagepolicy-examples.yaml');
  const classes = manifestsOf('deploy/examples/storageclass-examples.yaml');
  const pools = manifestsOf('deploy/examples/diskpool-examples.yaml');

  it('ask for the gate label and for no tier, each class with a policy of its own', () => {
    for (const { metadata, parameters } of classes) {
      const topology = Object.entries(parameters as Record<string, string>).filter(([name]) => /topology|affinity/i.test(name));
      expect(topology, metadata.name).toEqual([['poolHasTopologyKey', gateKey]]);
      expect(policies.filter(({ spec }) => spec.storageClassName === metadata.name)).toHaveLength(1);
    }
  });

  it('give every pool the gate label and the tier that the first policy looks for', () => {
    const [{ spec }] = policies as [(typeof policies)[number]];
    const selectors = [spec.hotPoolSelector, spec.warmPoolSelector, spec.coldPoolSelector].map(({ matchLabels }) => matchLabels);
    for (const { metadata, spec: pool } of pools) {
      const { [gateKey]: gate, ...tier } = pool.topology.labelled;
      expect(gate, metadata.name).toBe('true');
      expect(selectors, metadata.name).toContainEqual(tier);
    }
  });

  it('have in each tier a node more than a volume has replicas', () => {
    const nodes = new Map<string, Set<string>>();
    for (const { spec } of pools) {
      const tier = spec.topology.labelled['storage-tier'];
      nodes.set(tier, (nodes.get(tier) ?? new Set()).add(spec.node));
    }
    const replicasMax = Math.max(...classes.map(({ parameters }) => Number(parameters?.['repl'])));
    expect(nodes.size).toBe(3);
    expect([...nodes.values()].filter(({ size }) => size <= replicasMax)).toEqual([]);
  });
});

describe('passwords', () => {
  it('are made for every user of NATS, given to its server, and to no service but its own', () => {
    const script = readFileSync(join(root, 'deploy/base/secrets/make-secrets.mjs'), 'utf8');
    const [, keys = ''] = /'couchestor-nats': \[([^\]]+)\]/.exec(script) ?? [];
    expect(keys.split(',').map((key) => key.trim().slice(1, -1))).toEqual([...natsUsers]);
    const nats = rendered.production.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'nats');
    const variables = nats?.spec.template.spec.containers[0].env.map(({ name }: { name: string }) => name);
    expect(variables).toEqual(['POD_NAME', ...natsUsers.map(passwordVariable)]);
    for (const name of ['metrics-watcher', 'policy-brain', 'migrator', 'ec-encoder']) {
      const workload = workloadsOf(rendered.production).find(({ metadata }) => metadata.name === name);
      const env = workload?.spec.template.spec.containers[0].env as { name: string; valueFrom?: { secretKeyRef?: object } }[];
      expect(env.find((variable) => variable.name === 'NATS_PASSWORD')?.valueFrom?.secretKeyRef).toEqual({
        name: 'couchestor-nats',
        key: name,
      });
    }
  });
});

function portsOf(spec: { template: { spec: { containers: { ports?: { name: string }[] }[] } } }): string[] {
  return spec.template.spec.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name));
}

function variablesOf(options: object): string[] {
  return Object.values(options as Record<string, { env: string | string[] }>).flatMap(({ env }) => env);
}
