import type { DiskPool, PersistentVolume, PersistentVolumeClaim } from '@couchestor/shared/kubernetes/objects';
import { describe, expect, it } from 'vitest';
import { poolOf, volumeId, volumeOf } from '../../testing/fixtures.ts';
import { KubernetesCatalog } from './kubernetes-catalog.ts';
import { mayastorDriver, VolumeIndex } from './volume-index.ts';

const id = volumeId(1);

function pv(
  name: string,
  o: { labels?: Record<string, string>; phase?: string; claimUid?: string; driver?: string } = {},
): PersistentVolume {
  return {
    metadata: { name, uid: `uid-${name}`, resourceVersion: '1', labels: o.labels },
    spec: {
      storageClassName: 'fast',
      claimRef: { namespace: 'shop', name: 'orders', uid: o.claimUid ?? 'uid-orders' },
      csi: { driver: o.driver ?? mayastorDriver, volumeHandle: id },
    },
    status: { phase: o.phase ?? 'Bound' },
  };
}

function claim(labels: Record<string, string> = {}): PersistentVolumeClaim {
  return { metadata: { name: 'orders', namespace: 'shop', uid: 'uid-orders', resourceVersion: '1', labels }, spec: {} };
}

function diskPool(namespace: string, labels: Record<string, string>, labelled?: Record<string, string>): DiskPool {
  const metadata = { name: 'hot-1', namespace, uid: namespace, resourceVersion: '1', labels };
  return { metadata, spec: { topology: { labelled } } };
}

function catalogOf(o: { volumes?: PersistentVolume[]; claims?: PersistentVolumeClaim[]; pools?: DiskPool[] }): KubernetesCatalog {
  const volumesByHandle = new VolumeIndex();
  o.volumes?.forEach((volume) => volumesByHandle.set(volume.metadata.name, volume));
  const claims = new Map(o.claims?.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));
  const diskPools = new Map(o.pools?.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one]));
  const source = { problem: undefined, volumesByHandle, claims: { store: claims }, diskPools };
  const catalog = new KubernetesCatalog({ source, mayastorNamespace: 'openebs' });
  catalog.prepare();
  return catalog;
}

const entryOf = (o: Parameters<typeof catalogOf>[0]) => catalogOf(o).entryOf(volumeOf({ id }));

describe('a volume in Kubernetes', () => {
  it('has the class of its PersistentVolume, the name of its claim, and the labels of both, of which the PersistentVolume’s count', () => {
    const labels = { tier: 'gold', zone: 'a' };
    expect(entryOf({ volumes: [pv('pv-1', { labels })], claims: [claim({ tier: 'silver', app: 'shop' })] })).toEqual({
      storageClass: 'fast',
      pvName: 'pv-1',
      name: 'shop/orders',
      claim: { namespace: 'shop', name: 'orders', uid: 'uid-orders' },
      labels: { tier: 'gold', zone: 'a', app: 'shop' },
    });
  });

  it('is not decided on while its claim is not known, because a label of it may be what keeps it where it is', () => {
    expect(entryOf({ volumes: [pv('pv-1')] }).problem).toMatch(/claim shop\/orders is not known yet/);
    expect(entryOf({ volumes: [pv('pv-1', { claimUid: 'another' })], claims: [claim()] }).problem).toMatch(/not known yet/);
  });

  it('has the labels of its PersistentVolume alone once its claim is gone', () => {
    expect(entryOf({ volumes: [pv('pv-1', { phase: 'Released', labels: { a: 'b' } })] })).toEqual({
      storageClass: 'fast',
      pvName: 'pv-1',
      name: undefined,
      labels: { a: 'b' },
    });
  });

  it('is not decided on where two PersistentVolumes stand for it', () => {
    expect(entryOf({ volumes: [pv('pv-1'), pv('pv-2')], claims: [claim()] }).problem).toMatch(/pv-1 and pv-2 both stand/);
  });

  it('has no class where no PersistentVolume of Mayastor names it', () => {
    expect(entryOf({ volumes: [pv('pv-1', { driver: 'ebs.csi.aws.com' })] })).toEqual({
      storageClass: undefined,
      name: undefined,
      labels: {},
    });
  });
});

describe('the index of PersistentVolumes', () => {
  it('forgets what was deleted and what stands for another volume now', () => {
    const index = new VolumeIndex();
    index.set('pv-1', pv('pv-1'));
    index.set('pv-2', pv('pv-2'));
    index.set('pv-1', undefined);
    expect(index.of(id).map(({ metadata }) => metadata.name)).toEqual(['pv-2']);
    index.set('pv-2', { ...pv('pv-2'), spec: { csi: { driver: mayastorDriver, volumeHandle: 'other' } } });
    expect(index.of(id)).toEqual([]);
    expect(index.of('other')).toHaveLength(1);
  });
});

describe('a pool in Kubernetes', () => {
  const labelsOf = (...pools: DiskPool[]) => catalogOf({ pools }).poolLabelsOf(poolOf('hot', 1));

  it('has labels of its DiskPool and of Mayastor, of which Mayastor’s count', () => {
    expect(labelsOf(diskPool('openebs', { 'storage-tier': 'cold', rack: 'r1', disk: 'a' }, { disk: 'b' }))).toEqual({
      'storage-tier': 'hot',
      'couchestor-managed': 'true',
      rack: 'r1',
      disk: 'b',
    });
  });

  it('is the one in Mayastor’s namespace where two have its name', () => {
    const ours = diskPool('openebs', { rack: 'ours' });
    const theirs = diskPool('another', { rack: 'theirs' });
    expect(labelsOf(ours, theirs)['rack']).toBe('ours');
    expect(labelsOf(theirs, ours)['rack']).toBe('ours');
  });
});
