/**
 * What the leading brain tells Kubernetes: the status of the custom resources, brought to what it knows after each round, and Events about
 * moves. A brain that leads no longer writes nothing more.
 */
import type { PolicyView } from '@couchestor/shared/contracts/brain';
import {
  erasureCodingPolicies,
  type RawErasureCodingPolicy,
  type RawStoragePolicy,
  storagePolicies,
} from '@couchestor/shared/crds/resources';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { EventRecorder } from '@couchestor/shared/kubernetes/event-recorder';
import type { Logger } from '@couchestor/shared/logger';
import type { StoragePolicyStatus } from '@couchestor/shared/storage-policy';
import type { Registry } from 'prom-client';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { ClusterCache } from '../adapters/kubernetes/cluster-cache.ts';
import { ecPoliciesOf, storagePolicySource } from '../adapters/kubernetes/policy-set.ts';
import { type StatusTimings, StatusWriter } from '../adapters/kubernetes/status-writer.ts';
import type { PolicyRecordStore } from '../adapters/policy-record-store.ts';
import type { Brain } from '../brain.ts';
import { ecStatus } from '../domain/ec-policy-status.ts';
import type { MoveNews } from '../domain/move-news.ts';
import { storagePolicyStatus } from '../domain/storage-policy-status.ts';
import { tellMoveNews } from './tell-move-news.ts';
import { vaultsByEcPolicy, volumesByEcPolicy } from './view-ec-policies.ts';

/** For Events that are still to be written when the term ends. */
const lastEventsBudgetMs = 500;

export interface ReportDeps {
  readonly brain: Brain;
  readonly api: Pick<KubeApi, 'create' | 'mergePatch'>;
  readonly cache: Pick<ClusterCache, 'storagePolicies' | 'ecPolicies'>;
  readonly records: Pick<PolicyRecordStore, 'get' | 'seed'>;
  readonly clock: Pick<BusClock, 'now'>;
  readonly logger: Logger;
  readonly registry?: Registry;
  readonly timings?: Partial<StatusTimings>;
}

export interface KubernetesReports {
  /** There are new views of the policies. */
  onViews(): void;
  /** A vault has told how it is. */
  onVaults(): void;
  onMoveNews(news: MoveNews): void;
  stop(): Promise<void>;
}

export function startKubernetesReports(deps: ReportDeps): KubernetesReports {
  const { api, cache, clock, logger, registry, timings } = deps;
  const shared = { api, now: () => clock.now(), logger, registry, timings };
  const storage = new StatusWriter<RawStoragePolicy>({
    ...shared,
    resource: storagePolicies,
    store: cache.storagePolicies.store,
    statusOf: (object) => storageStatusOf(deps, object),
  });
  const ec = new StatusWriter<RawErasureCodingPolicy>({
    ...shared,
    resource: erasureCodingPolicies,
    store: cache.ecPolicies.store,
    statusOf: async (object) => ecStatusOf(deps, object),
  });
  const recorder = new EventRecorder({ api, component: 'policy-brain', logger, registry });
  const tell = tellMoveNews({ ...deps, recorder });
  return {
    onMoveNews(news) {
      tell(news);
      // Its totals and history are in the record by now, and the next round may be a minute away.
      storage.lookAtAll();
    },
    onViews() {
      storage.lookAtAll();
      ec.lookAtAll();
    },
    onVaults() {
      ec.lookAtAll();
    },
    async stop() {
      await Promise.all([storage.stop(), ec.stop(), recorder.stop({ budgetMs: lastEventsBudgetMs })]);
    },
  };
}

async function storageStatusOf(deps: ReportDeps, { metadata, status }: RawStoragePolicy): Promise<StoragePolicyStatus | undefined> {
  const { brain, records, clock } = deps;
  const { name, uid } = metadata;
  if (!brain.stillLeads()) {
    return undefined;
  }
  const source = storagePolicySource(name);
  const view = brain.policyViews.find((found) => found.source === source);
  const generation = view === undefined ? undefined : generationOf(brain, { view, uid });
  if (view === undefined || generation === undefined) {
    return undefined;
  }
  // Before anything is written: a record that was lost begins at what the status says.
  await records.seed(name, { total: status?.totalMigrations ?? 0, failed: status?.failedMigrations ?? 0 });
  if (!brain.stillLeads()) {
    return undefined;
  }
  const kept = brain.round?.outcome.counts.get(name)?.kept ?? 0;
  return storagePolicyStatus({ view, kept, generation, record: records.get(name), before: status, nowMs: clock.now() });
}

/** Of the spec that the view is about; undefined where it is about another object of this name. */
function generationOf(brain: Brain, { view, uid }: { view: PolicyView; uid: string }): number | undefined {
  const { policies = [], problems = [] } = brain.policySet ?? {};
  const known = policies.find(({ policy }) => policy.uid === uid)?.policy ?? problems.find(({ object }) => object?.uid === uid)?.object;
  if (known === undefined) {
    return undefined;
  }
  // Its numbers are those of the last round, which may have been decided by the spec before.
  const decided = brain.round?.prepared.policies.find(({ policy }) => policy.uid === uid)?.policy;
  return view.phase === 'Active' ? (decided ?? known).generation : known.generation;
}

function ecStatusOf({ brain, clock }: ReportDeps, object: RawErasureCodingPolicy): object | undefined {
  const { name, uid } = object.metadata;
  const [policy] = ecPoliciesOf({ store: new Map([[name, object]]) });
  return policy === undefined || !brain.stillLeads()
    ? undefined
    : ecStatus({
        policy,
        volumes: volumesByEcPolicy(brain, name),
        vaults: vaultsByEcPolicy(brain, { name, uid, nowMs: clock.now() }),
        before: object.status,
        nowMs: clock.now(),
      });
}
