import { type VaultRecord, vaultRecordSchema } from '@couchestor/shared/contracts/vault-events';
import { describe, expect, it } from 'vitest';
import { nowMs } from '../testing/fixtures.ts';
import { sumOfVaults, vaultsOf } from './vaults.ts';

function vault(o: Partial<VaultRecord> & { uid?: string } = {}): VaultRecord {
  const { uid, ...changes } = o;
  return vaultRecordSchema.parse({
    vaultId: 'v1',
    policy: {
      name: 'gold',
      dataShards: 4,
      parityShards: 2,
      stripeSizeBytes: 1_048_576,
      codec: 'isal-compatible',
      ...(uid === undefined ? {} : { uid }),
    },
    phase: 'ready',
    volumes: 3,
    stripes: { total: 10, healthy: 7, degraded: 2, rebuilding: 1, lost: 1 },
    survives: { zones: 0, nodes: 0, pools: 0, disks: 0, drives: 2, sentence: 'survives any 2 drives' },
    conditions: [],
    at: new Date(nowMs).toISOString(),
    ...changes,
  });
}

describe('the vaults of a policy', () => {
  it('are found by the uid of a custom resource, else by the name', () => {
    const all = [
      vault({ vaultId: 'a', uid: 'u1' }),
      vault({ vaultId: 'b', uid: 'u2' }),
      vault({ vaultId: 'c', uid: 'file:gold' }),
      vault({ vaultId: 'd' }),
    ];
    const found = (policy: { name: string; uid: string }) => vaultsOf(all, policy).map(({ vaultId }) => vaultId);
    expect(found({ name: 'gold', uid: 'u1' })).toEqual(['a', 'c', 'd']);
    expect(found({ name: 'silver', uid: 'u2' })).toEqual(['b']);
    expect(found({ name: 'silver', uid: 'u3' })).toEqual([]);
  });

  it('add up, and what is lost counts among what lacks shards', () => {
    expect(sumOfVaults([vault(), vault({ vaultId: 'v2' })], nowMs)).toEqual({
      volumes: 6,
      stripes: { total: 20, healthy: 14, degraded: 6, rebuilding: 2 },
      degraded: undefined,
    });
    expect(sumOfVaults([], nowMs)).toBeUndefined();
  });

  it.each([
    [
      { phase: 'degraded', conditions: [{ type: 'Degraded', status: 'True', reason: 'one disk', message: 'All drives are on one disk.' }] },
      { reason: 'onedisk', message: 'Vault v1: All drives are on one disk.' },
    ],
    [{ phase: 'readOnly' }, { reason: 'VaultReadOnly', message: 'Vault v1 is readOnly.' }],
    [{ at: new Date(nowMs - 200_000).toISOString() }, { reason: 'VaultSilent', message: expect.stringMatching(/last heard of/) }],
    [
      { conditions: [{ type: 'Writable', status: 'False', reason: 'TooFewDrives', message: 'No stripe can be written.' }] },
      { reason: 'TooFewDrives', message: 'Vault v1: No stripe can be written.' },
    ],
    [{ conditions: [{ type: 'Writable', status: 'True', reason: 'x', message: 'x' }] }, undefined],
    [{ conditions: [{ type: 'Degraded', status: 'False', reason: 'x', message: 'x' }] }, undefined],
  ] as const)('are degraded by %j', (changes, degraded) => {
    expect(sumOfVaults([vault(changes as Partial<VaultRecord>)], nowMs)?.degraded).toEqual(degraded);
  });
});
