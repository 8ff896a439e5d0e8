/** A volume as it is shown: where it lies, the last decision, and the request that is out. */
import type { VolumeView } from '@couchestor/shared/contracts/brain';
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { Brain } from '../brain.ts';
import type { KnownVolume } from '../domain/known-volume.ts';

export function viewVolume({ brain, ledger }: { brain: Brain; ledger: LedgerStore }, volume: KnownVolume): VolumeView {
  const decision = brain.round?.outcome.decisions.get(volume.id);
  const tiers = brain.round?.prepared.poolTiers.get(decision?.policy ?? '')?.tierOf;
  const pending = ledger.get(volume.id)?.pending;
  return {
    volumeId: volume.id,
    name: volume.name,
    sizeBytes: volume.sizeBytes,
    numReplicas: volume.numReplicas,
    status: volume.status,
    published: volume.published,
    pools: volume.replicas.map(({ pool, node, state }) => ({
      pool: pool ?? '?',
      node: node ?? '?',
      tier: tiers?.get(pool ?? '') ?? 'none',
      state,
    })),
    ...(decision === undefined ? {} : { decision }),
    ...(pending === undefined
      ? {}
      : {
          pending: {
            moveId: pending.request.moveId,
            to: pending.request.to,
            step: pending.accepted ? (pending.step ?? 'analyze') : 'requested',
          },
        }),
  };
}
