/** Tells people of moves by Events: on the policy, and on the claim of the volume, where its user looks. */
import { storagePolicies } from '@couchestor/shared/crds/resources';
import { type EventRecorder, referenceTo } from '@couchestor/shared/kubernetes/event-recorder';
import { persistentVolumeClaims } from '@couchestor/shared/kubernetes/objects';
import { pvName } from '@couchestor/shared/mayastor/read';
import type { ClusterCache } from '../adapters/kubernetes/cluster-cache.ts';
import type { Brain } from '../brain.ts';
import { type MoveNews, moveEvent } from '../domain/move-news.ts';

export interface TellDeps {
  readonly brain: Pick<Brain, 'volume'>;
  readonly cache: Pick<ClusterCache, 'storagePolicies'>;
  readonly recorder: Pick<EventRecorder, 'emit'>;
}

export function tellMoveNews({ brain, cache, recorder }: TellDeps): (news: MoveNews) => void {
  return (news) => {
    const event = moveEvent(news);
    if (event === undefined) {
      return;
    }
    const volume = brain.volume(event.volumeId);
    const message = event.words(volume?.name ?? pvName(event.volumeId));
    const { type, reason } = event;
    const policy = cache.storagePolicies.store.get(event.policy);
    if (policy !== undefined) {
      recorder.emit({ regarding: referenceTo(storagePolicies, policy), type, reason, message });
    }
    if (volume?.claim !== undefined) {
      recorder.emit({ regarding: referenceTo(persistentVolumeClaims, { metadata: volume.claim }), type, reason, message });
    }
  };
}
