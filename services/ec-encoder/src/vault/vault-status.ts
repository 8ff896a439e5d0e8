/** What a vault tells of itself, put together from what its parts know. */
import type { DriveStatus, VaultCondition, VaultPhase, VaultStatus } from '@couchestor/shared/contracts/vault';
import type { IndexCounts } from '../adapters/index/index-store.ts';
import type { Journal } from '../adapters/journal/journal.ts';
import type { Survival } from '../domain/survival.ts';
import type { GivenPolicy } from './vault-api.ts';

export interface StatusInput {
  readonly vaultId: string;
  readonly policy: GivenPolicy;
  readonly codecEngine: VaultStatus['codecEngine'];
  readonly failed: Error | undefined;
  readonly space: 'enough' | 'full' | 'tooFewDrives';
  /** Why the journal cannot be written out to stripes. */
  readonly destageFailing: string | undefined;
  readonly isJournalCorrupt: boolean;
  readonly survival: Survival;
  readonly journal: ReturnType<Journal['fill']>;
  readonly counts: IndexCounts;
  readonly drives: readonly DriveStatus[];
  readonly stripes: { readonly degraded: number; readonly rebuilding: number; readonly lost: number };
  /** Shards that the worst of the degraded stripes lacks. */
  readonly missingShardsMost: number;
  readonly rebuild: VaultStatus['rebuild'];
  readonly scrub: VaultStatus['scrub'];
  readonly volumes: number;
  readonly checksumErrors: number;
  readonly reconstructions: number;
  readonly stripesEncoded: number;
}

export function statusOf(o: StatusInput): VaultStatus {
  const { name, uid, spec } = o.policy;
  const conditions = conditionsOf(o);
  const disks = disksOf(o.drives);
  const survives = survivesNow(o);
  return {
    vaultId: o.vaultId,
    policy: {
      name,
      ...(uid === undefined ? {} : { uid }),
      dataShards: spec.dataShards,
      parityShards: spec.parityShards,
      stripeSizeBytes: spec.stripeSizeBytes,
      codec: spec.codec,
    },
    phase: phaseOf(o, conditions),
    conditions,
    survives,
    codecEngine: o.codecEngine,
    journal: {
      usedBytes: o.journal.usedBytes,
      sizeBytes: o.journal.sizeBytes,
      fillPercent: Math.min(100, (100 * o.journal.usedBytes) / Math.max(1, o.journal.sizeBytes)),
      destageLagMs: o.journal.oldestAgeMs,
      copies: [...o.journal.copies],
      wantedCopies: o.journal.wantedCopies,
    },
    stripes: {
      total: o.counts.stripes,
      healthy: Math.max(0, o.counts.stripes - o.stripes.degraded - o.stripes.lost),
      ...o.stripes,
    },
    capacity: {
      totalBytes: sum(disks, (disk) => disk.totalBytes),
      usedBytes: sum(o.drives, (drive) => drive.usedBytes),
      freeBytes: sum(disks, (disk) => disk.freeBytes),
      mappedBytes: o.counts.mappedBytes,
    },
    drives: [...o.drives],
    rebuild: o.rebuild,
    scrub: o.scrub,
    volumes: o.volumes,
    checksumErrors: o.checksumErrors,
    reconstructions: o.reconstructions,
    stripesEncoded: o.stripesEncoded,
  };
}

function phaseOf(o: StatusInput, conditions: readonly VaultCondition[]): VaultPhase {
  if (o.failed !== undefined) {
    return 'failed';
  }
  if (o.space !== 'enough') {
    return 'readOnly';
  }
  return conditions.some(({ type, status }) => type === 'Degraded' && status === 'True') ? 'degraded' : 'ready';
}

/** What stripes would survive as they are now: one that lacks shards has lost those already. */
function survivesNow({ survival, stripes, missingShardsMost, policy }: StatusInput): VaultStatus['survives'] {
  const { zones, nodes, pools, disks, drives, sentence } = survival;
  if (stripes.degraded + stripes.lost === 0) {
    return { zones, nodes, pools, disks, drives, sentence };
  }
  const spare = stripes.lost > 0 ? 0 : Math.max(0, policy.spec.parityShards - missingShardsMost);
  const most = (count: number) => Math.min(count, spare);
  const now =
    stripes.lost > 0
      ? 'has lost ranges'
      : spare === 0
        ? 'survives no further loss'
        : `survives the loss of ${spare} more drive${spare > 1 ? 's' : ''}`;
  return {
    zones: most(zones),
    nodes: most(nodes),
    pools: most(pools),
    disks: most(disks),
    drives: most(drives),
    sentence: `${now} until its stripes are rebuilt; then it ${sentence}`.slice(0, 1_000),
  };
}

/** `Degraded` says the worst; what else is wrong stands in conditions of its own. */
function conditionsOf(o: StatusInput): VaultCondition[] {
  const findings: { readonly reason: string; readonly message: string }[] = [];
  const { spec } = o.policy;
  const gone = o.drives.filter(({ state }) => state === 'failed' || state === 'suspect');
  if (o.failed !== undefined) {
    findings.push({
      reason: 'SyncFailed',
      message: `${o.failed.message}. Nothing further is promised: restart the vault once the disk is sound.`,
    });
  }
  if (o.destageFailing !== undefined) {
    findings.push({
      reason: o.isJournalCorrupt ? 'JournalCorrupt' : 'DestageFailing',
      message: `The journal is not written out to stripes, and writes wait once it is full: ${o.destageFailing}.`.slice(0, 1_000),
    });
  }
  if (o.stripes.lost > 0) {
    findings.push({ reason: 'StripesLost', message: `${o.stripes.lost} stripes lack more shards than their parity makes good.` });
  }
  if (o.space === 'tooFewDrives') {
    findings.push({
      reason: 'TooFewDrives',
      message: 'Fewer drives can be written to than minHealthyShards asks for: no new stripe is written.',
    });
  }
  if (o.space === 'full') {
    findings.push({ reason: 'DrivesFull', message: 'The drives are full up to their reserve. Delete or trim something, or add drives.' });
  }
  if (gone.length > 0) {
    const names = gone.map(({ number, path, state }) => `${number} (${path}) is ${state}`).join(', ');
    findings.push({ reason: 'DrivesGone', message: `Drive ${names}.`.slice(0, 1_000) });
  }
  if (o.stripes.degraded > 0) {
    findings.push({
      reason: 'StripesDegraded',
      message: `${o.stripes.degraded} stripes lack shards; ${o.stripes.rebuilding} are being rebuilt.`,
    });
  }
  const liveCopies = o.journal.copies.filter(({ isLive }) => isLive).length;
  if (liveCopies < Math.min(2, o.journal.wantedCopies)) {
    findings.push({
      reason: 'JournalCopies',
      message: `The journal has ${liveCopies} of ${o.journal.wantedCopies} copies: there are not more failure domains, or copies were lost.`,
    });
  }
  if (!o.survival.isEnough || o.survival.drives < spec.parityShards) {
    findings.push({ reason: 'TooFewDomains', message: `As placed, the vault ${o.survival.sentence}.` });
  }
  const [worst] = findings;
  const degraded: VaultCondition =
    worst === undefined
      ? { type: 'Degraded', status: 'False', reason: 'AsPromised', message: `The vault ${o.survival.sentence}.` }
      : {
          type: 'Degraded',
          status: 'True',
          reason: worst.reason,
          message: findings
            .map(({ message }) => message)
            .join(' ')
            .slice(0, 2_000),
        };
  const ready: VaultCondition = {
    type: 'Writable',
    status: o.failed === undefined && o.space === 'enough' ? 'True' : 'False',
    reason:
      o.failed !== undefined ? 'SyncFailed' : o.space === 'enough' ? 'AsPromised' : o.space === 'full' ? 'DrivesFull' : 'TooFewDrives',
    message: o.space === 'enough' ? 'Writes are taken.' : 'Reads and deletions go on; writes wait or are refused.',
  };
  return [degraded, ready];
}

/** Folders on one disk share its room: it counts once. */
function disksOf(drives: readonly DriveStatus[]): { readonly totalBytes: number; readonly freeBytes: number }[] {
  const disks = new Map<string, DriveStatus>();
  for (const drive of drives) {
    const { zone, node, disk } = drive.domain;
    const key = `${zone}/${node}/${disk}`;
    if (drive.totalBytes > (disks.get(key)?.totalBytes ?? 0)) {
      disks.set(key, drive);
    }
  }
  return [...disks.values()];
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
