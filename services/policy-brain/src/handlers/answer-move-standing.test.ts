import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import { describe, expect, it } from 'vitest';
import { Brain } from '../brain.ts';
import { emptyEntry } from '../domain/ledger.ts';
import { clusterWith, limits, policyOf, requestFor, volumeId, volumeOf, windowSeconds } from '../testing/fixtures.ts';
import { answerMoveStanding } from './answer-move-standing.ts';

const request = requestFor();
const pending: LedgerEntry = { ...emptyEntry, pending: { request, accepted: true, numReplicas: 2, sight: '' } };

function ask(change: (brain: Brain) => void) {
  const brain = new Brain(1, { stillLeads: () => true });
  brain.policySet = { policies: [{ policy: policyOf('gold'), source: 'gold.yaml' }], ecPolicies: [], problems: [] };
  brain.windows = [windowSeconds];
  brain.setCluster(clusterWith([volumeOf()]));
  change(brain);
  const answer = answerMoveStanding({ brain, ledger: { get: () => pending }, limits });
  const { moveId, policy } = request;
  return answer({ moveId, volumeId: volumeId(1), epoch: 1, policyUid: policy.uid, policyGeneration: policy.generation });
}

describe('the answer whether a move stands', () => {
  it('is yes while a policy wants it', async () => {
    expect(await ask(() => undefined)).toMatchObject({ stands: true });
  });

  it('is none where Kubernetes cannot be read: the policy may have been switched off, and the labels may be others', async () => {
    await expect(
      ask((brain) => {
        brain.catalogProblem = 'StoragePolicies cannot be followed any more';
      }),
    ).rejects.toThrow(/BRAIN_NOT_READY.*StoragePolicies cannot be followed/);
  });

  it('is no once a label of a DiskPool has changed that the tiers are chosen by', async () => {
    const known = clusterWith([volumeOf()]);
    const first = known.pools[0]?.id ?? '';
    const poolLabels = (labels: Record<string, string>) =>
      new Map([...known.poolLabels, [first, { ...known.poolLabels.get(first), ...labels }]]);
    // By this key no tier of the policy is chosen.
    expect(await ask((brain) => brain.setCluster({ ...known, poolLabels: poolLabels({ rack: 'r1' }) }))).toMatchObject({ stands: true });
    const unlabelled = known.pools.map((pool) => (pool.id === first && pool.spec ? { ...pool, spec: { ...pool.spec, labels: {} } } : pool));
    expect(await ask((brain) => brain.setCluster({ ...known, pools: unlabelled }))).toMatchObject({
      stands: false,
      reason: expect.stringContaining('labels of DiskPools have changed'),
    });
  });

  it('is none, and not no, where the labels of the volume are not known', async () => {
    const known = clusterWith([volumeOf()]);
    const unknown = known.volumes.map((volume) => ({ ...volume, labels: {}, catalogProblem: 'its claim is not known yet' }));
    await expect(ask((brain) => brain.setCluster({ ...known, volumes: unknown }))).rejects.toThrow(/BRAIN_NOT_READY.*claim is not known/);
  });
});
