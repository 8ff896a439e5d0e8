/** Looks at everything that the checks judge, all at once, each with its own deadline: one that is away holds up no other. */

import { readFile } from 'node:fs/promises';
import { describeError } from '@couchestor/shared/errors';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { findKubeTarget } from '@couchestor/shared/kubernetes/kubeconfig';
import { redactUrls } from '@couchestor/shared/redact-url';
import type { Facts, Looked, MayastorFacts } from './facts.ts';
import type { Cluster } from './findings.ts';
import { lookAtNats, lookAtRedis } from './look/brokers.ts';
import { type ClockSource, lookAtClock } from './look/clock.ts';
import { absent, lookWithin } from './look/deadline.ts';
import { lookAtCrds, lookAtDiskPools, lookAtRights, lookAtStorageClasses } from './look/kubernetes.ts';
import { policiesOfFolder, policiesOfKubernetes } from './look/policies.ts';
import { lookAtPrometheus } from './look/prometheus.ts';

export interface Places {
  /** As it was found and read. */
  readonly mayastor: Looked<{ readonly url: string; readonly cluster: Cluster; readonly poolCordon: boolean }>;
  readonly mayastorCaFile: string | undefined;
  readonly natsUrl: string;
  readonly redisUrl: string | undefined;
  readonly prometheusUrl: string | undefined;
  readonly policyDir: string | undefined;
  /** Absent: Kubernetes is none of this system's. */
  readonly kubernetes: { readonly kubeconfig: string | undefined; readonly namespace: string; readonly env: NodeJS.ProcessEnv } | undefined;
  readonly timeoutMs: number;
}

export async function gatherFacts(o: Places): Promise<Facts> {
  const { timeoutMs, prometheusUrl, redisUrl, policyDir } = o;
  const kubernetes = openKubernetes(o);
  const ofKubernetes = async <T>(look: (api: KubeApi) => Promise<T>): Promise<Looked<T>> =>
    kubernetes.kind === 'seen' ? lookWithin(timeoutMs, () => look(kubernetes.value.api)) : kubernetes;
  try {
    const [policies, diskPoolLabels, storageClasses, crds, rights, prometheus, nats, redis, clocks] = await Promise.all([
      policyDir === undefined ? ofKubernetes(policiesOfKubernetes) : lookWithin(timeoutMs, () => policiesOfFolder(policyDir)),
      ofKubernetes(lookAtDiskPools),
      ofKubernetes(lookAtStorageClasses),
      ofKubernetes(lookAtCrds),
      ofKubernetes((api) => lookAtRights(api, { namespace: o.kubernetes?.namespace ?? '' })),
      prometheusUrl === undefined
        ? absent('where Prometheus is was not told: --prometheus-url')
        : lookWithin(timeoutMs, (signal) => lookAtPrometheus(prometheusUrl, signal)),
      lookWithin(timeoutMs, () => lookAtNats(o.natsUrl, { timeoutMs })),
      redisUrl === undefined
        ? absent('where Redis is was not told: --redis-url')
        : lookWithin(timeoutMs, () => lookAtRedis(redisUrl, { timeoutMs })),
      lookAtClocks(o, kubernetes.kind === 'seen' ? kubernetes.value.clock : undefined),
    ]);
    return { mayastor: shown(o.mayastor), policies, diskPoolLabels, storageClasses, crds, rights, prometheus, clocks, nats, redis };
  } finally {
    if (kubernetes.kind === 'seen') {
      await kubernetes.value.api.close();
    }
  }
}

function openKubernetes({ kubernetes, timeoutMs }: Places): Looked<{ readonly api: KubeApi; readonly clock: () => Promise<ClockSource> }> {
  if (kubernetes === undefined) {
    return absent('the local stack runs without Kubernetes');
  }
  const { kubeconfig, env } = kubernetes;
  try {
    const api = KubeApi.load({ kubeconfig, env, requestTimeoutMs: timeoutMs });
    const { server, ca, verifiesServer, serverName } = findKubeTarget({ kubeconfig, env });
    const clock = async (): Promise<ClockSource> => {
      const pem = ca.data === undefined ? ca.file && (await readFile(ca.file)) : Buffer.from(ca.data, 'base64');
      const tls = {
        rejectUnauthorized: verifiesServer,
        ...(pem ? { ca: pem } : {}),
        ...(serverName === undefined ? {} : { servername: serverName }),
      };
      return { whose: 'the API server', url: `${server}/version`, tls };
    };
    return { kind: 'seen', value: { api, clock } };
  } catch (error) {
    return kubeconfig === undefined ? absent('no way to Kubernetes is known: --kubeconfig') : { kind: 'failed', why: describeError(error) };
  }
}

async function lookAtClocks(o: Places, ofKubernetes: (() => Promise<ClockSource>) | undefined): Promise<Facts['clocks']> {
  const { mayastor, prometheusUrl, mayastorCaFile, timeoutMs } = o;
  const sources: readonly (readonly [whose: string, source: (() => Promise<ClockSource>) | undefined])[] = [
    ['Mayastor', mayastor.kind === 'seen' ? async () => mayastorClock(mayastor.value.url, mayastorCaFile) : undefined],
    ['the API server', ofKubernetes],
    [
      'Prometheus',
      prometheusUrl === undefined ? undefined : async () => ({ whose: 'Prometheus', url: `${new URL(prometheusUrl).origin}/-/healthy` }),
    ],
  ];
  return await Promise.all(
    sources.map(async ([whose, source]) => ({
      whose,
      seen:
        source === undefined ? absent('not looked at') : await lookWithin(timeoutMs, async (signal) => lookAtClock(await source(), signal)),
    })),
  );
}

async function mayastorClock(url: string, caFile: string | undefined): Promise<ClockSource> {
  const tls = caFile === undefined || !url.startsWith('https:') ? {} : { tls: { ca: await readFile(caFile) } };
  return { whose: 'Mayastor', url: `${url.replace(/\/+$/, '')}/v0/nodes`, ...tls };
}

/** A URL may hold a password. */
function shown(looked: Places['mayastor']): Looked<MayastorFacts> {
  return looked.kind === 'seen' ? { kind: 'seen', value: { ...looked.value, url: redactUrls(looked.value.url) } } : looked;
}
