/** What in deploy/ is generated, by its path from the root of the repository; deploy/operator.yaml is made from the rest by kustomize. */
import { readFileSync } from 'node:fs';
import { uuidOfName } from '@couchestor/mayastor-simulator/domain/random';
import { serverCatalog } from '@couchestor/shared/servers/catalog';
import { parse, stringify } from 'yaml';
import { dashboard } from './dashboard.ts';
import { natsServerConfig, natsUsers } from './nats-config.ts';

const storeDir = '/data/jetstream';

/** NATS of the production overlay. */
const productionServers = 3;

export function generatedManifests(): ReadonlyMap<string, string> {
  const version = natsVersion();
  return new Map([
    ['deploy/base/nats/nats.conf', natsServerConfig({ version, storeDir, servers: 1, users: natsUsers })],
    ['deploy/overlays/production/nats.conf', natsServerConfig({ version, storeDir, servers: productionServers, users: natsUsers })],
    ['deploy/compose/nats.conf', natsServerConfig({ version, storeDir, servers: 1, users: [] })],
    ['deploy/monitoring/dashboard.json', dashboard()],
    ['deploy/monitoring/prometheus-rule.yaml', prometheusRule()],
    ['deploy/overlays/local/persistent-volumes.yaml', persistentVolumes()],
  ]);
}

/** Of the image that the manifests name: `2.11` of nats:2.11-alpine. */
function natsVersion(): string {
  const version = /:(\d+\.\d+)(\.\d+)?/.exec(serverCatalog['nats-server'].image);
  if (version === null) {
    throw new TypeError(`the image of NATS names no version: ${serverCatalog['nats-server'].image}`);
  }
  return `${version[1]}${version[2] ?? '.0'}`;
}

/** The alerts as the Prometheus operator takes them. */
function prometheusRule(): string {
  const { groups } = parse(readFileSync(new URL('../../deploy/monitoring/alerts.yaml', import.meta.url), 'utf8')) as { groups: unknown };
  const rule = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'couchestor', namespace: 'couchestor-system', labels: { 'app.kubernetes.io/name': 'couchestor' } },
    spec: { groups },
  };
  const note = '# Generated from deploy/monitoring/alerts.yaml by `npm run docs`. Change that file, not this one.\n';
  return note + stringify(rule, { lineWidth: 0 });
}

/** What a CSI driver would have made for the volumes of the simulated cluster: by these the brain learns their StorageClass and labels. */
function persistentVolumes(): string {
  const scenario = parse(readFileSync(new URL('../../deploy/local/start.yaml', import.meta.url), 'utf8')) as {
    volumes: readonly { name: string; sizeBytes: string; labels: Record<string, string> }[];
  };
  const manifests = scenario.volumes.map(({ name, sizeBytes, labels }) => {
    const { 'couchestor-storage-class': storageClassName, ...own } = labels;
    const uuid = uuidOfName(name);
    return {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `pvc-${uuid}`, labels: { ...own, 'app.kubernetes.io/part-of': 'couchestor', 'simulated-volume': name } },
      spec: {
        capacity: { storage: sizeBytes.replace(/iB$/, 'i') },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName,
        csi: { driver: 'io.openebs.csi-mayastor', volumeHandle: uuid },
      },
    };
  });
  const note = '# Generated from deploy/local/start.yaml by `npm run docs`. Change that file, not this one.\n';
  return note + manifests.map((manifest) => stringify(manifest)).join('---\n');
}
