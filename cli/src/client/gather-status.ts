/** The state of the whole system, put together from what each service answers. A service that does not answer is part of the state. */
import { listPolicies, type PolicyView, type VolumeView } from '@couchestor/shared/contracts/brain';
import { listMoves, type MoveView } from '@couchestor/shared/contracts/migrator';
import { problemConditions, type VaultPhase } from '@couchestor/shared/contracts/vault';
import { type VaultRecord, vaultsBucket } from '@couchestor/shared/contracts/vault-events';
import { CliError } from '../errors.ts';
import { probeHealth } from '../stack/probe-health.ts';
import { attention } from '../view/attention.ts';
import { allVolumes } from './find-volume.ts';
import type { Client } from './with-bus.ts';

export interface ServiceStatus {
  readonly name: string;
  readonly state: 'ready' | 'not-ready' | 'answering' | 'no-answer';
  /** Of its readiness endpoint, where that is known: the local stack's is, a cluster's is not. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface VaultSummary {
  readonly vaultId: string;
  readonly policy: string;
  /** `silent`: it has not told for minutes how it is. */
  readonly phase: VaultPhase | 'silent';
  readonly survives: string;
  readonly volumes: number;
  readonly stripes: VaultRecord['stripes'];
  /** What is wrong with it. */
  readonly problems: readonly string[];
  readonly at: string;
}

export interface SystemStatus {
  readonly healthy: boolean;
  readonly natsUrl: string;
  readonly services: readonly ServiceStatus[];
  readonly volumes: {
    readonly total: number;
    readonly placement: Readonly<Record<string, number>>;
    readonly decision: Readonly<Record<string, number>>;
  };
  readonly migrations: { readonly open: number; readonly finished: Readonly<Record<string, number>> };
  readonly policies: { readonly total: number; readonly phase: Readonly<Record<string, number>> };
  readonly vaults: readonly VaultSummary[];
  readonly attention: readonly { readonly policy: string; readonly text: string }[];
  readonly deadLetters: number;
}

/** The newest finished moves that are counted. */
const finishedLimit = 1_000;
/** A vault says once a minute how it is. */
const silentMs = 3 * 60_000;

export async function gatherStatus(client: Client): Promise<SystemStatus> {
  const [volumes, policies, moves, deadLetters, vaults, probed] = await Promise.all([
    answerOf(() => allVolumes(client)),
    answerOf(() => client.ask(listPolicies, {})),
    answerOf(() => client.ask(listMoves, { finishedLimit })),
    client.bus.deadLetters.count(),
    client.bus.bucket(vaultsBucket).entries(),
    Promise.all((client.stack?.services ?? []).map(probe)),
  ]);
  const answering: ServiceStatus[] = [
    { name: 'policy-brain', state: volumes === undefined || policies === undefined ? 'no-answer' : 'answering', checks: {} },
    { name: 'migrator', state: moves === undefined ? 'no-answer' : 'answering', checks: {} },
  ];
  const services = probed.length > 0 ? probed : answering;
  const told = vaults.map(({ value }) => summaryOf(value, Date.now()));
  return {
    healthy:
      [...services, ...answering].every(({ state }) => state === 'ready' || state === 'answering') &&
      told.every(({ phase }) => phase !== 'failed'),
    natsUrl: client.natsUrl,
    services,
    volumes: countVolumes(volumes ?? []),
    migrations: {
      open: moves?.open.length ?? 0,
      finished: countBy(moves?.finished ?? [], ({ result }: MoveView) => result?.outcome ?? 'open'),
    },
    policies: { total: policies?.policies.length ?? 0, phase: countBy(policies?.policies ?? [], ({ phase }: PolicyView) => phase) },
    vaults: told,
    attention: attention(policies?.policies ?? []),
    deadLetters,
  };
}

async function probe({ name, healthUrl }: { name: string; healthUrl: string }): Promise<ServiceStatus> {
  const health = await probeHealth(healthUrl);
  return { name, state: health === undefined ? 'no-answer' : health.ready ? 'ready' : 'not-ready', checks: health?.checks ?? {} };
}

function summaryOf({ vaultId, policy, phase, survives, volumes, stripes, conditions, at }: VaultRecord, nowMs: number): VaultSummary {
  const isSilent = nowMs - Date.parse(at) > silentMs;
  return {
    vaultId,
    policy: policy.name,
    phase: isSilent ? 'silent' : phase,
    survives: survives.sentence,
    volumes,
    stripes,
    problems: isSilent
      ? [`was last heard of at ${at}: is it running, and does it reach NATS?`]
      : problemConditions(conditions).map(({ type, message }) => `${type}: ${message}`),
    at,
  };
}

function countVolumes(volumes: readonly VolumeView[]): SystemStatus['volumes'] {
  return {
    total: volumes.length,
    placement: countBy(volumes, ({ decision }) => decision?.placement ?? 'undecided'),
    decision: countBy(volumes, ({ decision }) => decision?.verb ?? 'undecided'),
  };
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) {
    const key = keyOf(item);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** No answer is an answer here; any other failure is a failure. */
async function answerOf<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (CliError.is(error, 'NO_ANSWER')) {
      return undefined;
    }
    throw error;
  }
}
