import { describe, expect, it } from 'vitest';
import { diskPools } from './objects.ts';

const metadata = { name: 'pool-1', namespace: 'openebs', uid: 'u', resourceVersion: '1', labels: { tier: 'hot' } };

describe('a DiskPool', () => {
  it('is read for its labels, whatever else is in it', () => {
    const labelled = { rack: 'r1' };
    const odd = { node: 7, disks: 'all', topology: { labelled } };
    const read = diskPools.schema.parse({ metadata: { ...metadata, annotations: { note: 'x' } }, spec: odd, status: { capacity: -1 } });
    expect(read).toEqual({ metadata, spec: { topology: { labelled } } });
    expect(diskPools.schema.parse({ metadata })).toEqual({ metadata });
  });

  it('is refused where its labels are none', () => {
    expect(diskPools.schema.safeParse({ metadata, spec: { topology: { labelled: { rack: 1 } } } }).success).toBe(false);
  });
});
