/** Judges each call of ours that changes Mayastor: as it is sent (S1, fencing) and as it takes effect (S2, the replica and pool that were meant). */
import type { Cluster } from '@couchestor/mayastor-simulator/domain/cluster';
import type { ModelRequest } from '@couchestor/mayastor-simulator/domain/request';
import { syncedReplicas } from '@couchestor/mayastor-simulator/domain/status';
import type { MoveRecord } from '@couchestor/shared/contracts/migrator';
import type { Caller } from './caller.ts';
import type { Expectations } from './expectations.ts';
import type { Findings } from './findings.ts';
import type { LockBook } from './lock-book.ts';
import type { MoveBook } from './move-book.ts';
import type { SimMayastor } from './sim-mayastor.ts';

export interface SentCall {
  readonly caller: Caller;
  readonly request: ModelRequest;
  readonly what: What;
  readonly record: MoveRecord | undefined;
  /** It takes effect when its sender can no longer answer for it: the sender stood still after its last check, or was told something else. */
  late: boolean;
}

type What =
  | { readonly kind: 'count'; readonly volumeId: string; readonly count: number }
  | { readonly kind: 'pool-cordon' | 'pool-uncordon'; readonly pool: string }
  | { readonly kind: 'node-cordon' | 'node-uncordon'; readonly node: string }
  | { readonly kind: 'gate-mark' | 'gate-unmark'; readonly pool: string }
  | { readonly kind: 'label' | 'unlabel'; readonly pool: string; readonly key: string }
  | { readonly kind: 'volume-mark' | 'probe' };

const gatedKinds = new Set<What['kind']>([
  'count',
  'pool-cordon',
  'pool-uncordon',
  'node-cordon',
  'node-uncordon',
  'gate-mark',
  'gate-unmark',
  'label',
  'unlabel',
]);

export class CallJudge {
  readonly #o: {
    readonly mayastor: SimMayastor;
    readonly findings: Findings;
    readonly locks: LockBook;
    readonly moves: MoveBook;
    readonly expectations: Expectations;
    readonly syncedHoldMs: number;
    readonly callTimeoutMs: number;
    readonly now: () => number;
  };

  constructor(o: {
    mayastor: SimMayastor;
    findings: Findings;
    locks: LockBook;
    moves: MoveBook;
    expectations: Expectations;
    syncedHoldMs: number;
    callTimeoutMs: number;
    now: () => number;
  }) {
    this.#o = o;
  }

  sent(caller: Caller, request: ModelRequest, o: { late: boolean }): SentCall {
    const { findings, moves } = this.#o;
    const what = whatOf(request);
    const record = caller.job === undefined ? undefined : moves.record(caller.job.moveId);
    findings.count('calls that change Mayastor');
    if (o.late) {
      findings.count('calls sent after their sender stood still');
    }
    const call = { caller, request, what, record, late: o.late };
    if (gatedKinds.has(what.kind) && !o.late) {
      this.#judgeFence(call);
    }
    if (what.kind === 'count') {
      this.#judgeCount(call, what);
    }
    return call;
  }

  /** Does the call's effect, and compares. */
  effect<T>(sent: SentCall, act: () => T): T {
    const before = snapshotOf(this.#o.mayastor.model);
    const result = act();
    const after = snapshotOf(this.#o.mayastor.model);
    for (const [id, volume] of before.volumes) {
      const now = after.volumes.get(id);
      if (now !== undefined && (now.synced !== volume.synced || now.replicas.join() !== volume.replicas.join())) {
        this.#judgeChange(sent, { id, before: volume, after: now });
      }
    }
    this.#excuse(sent, before, after);
    return result;
  }

  /** Fencing: the lock surely outlasts the call, and nobody else believes in it. */
  #judgeFence({ caller, request }: SentCall): void {
    const { locks, findings, callTimeoutMs, now } = this.#o;
    if (!locks.heldBy(caller.name, { nowMs: now(), forMs: callTimeoutMs })) {
      findings.breach('fencing', `${caller.name} sends ${request.method} ${request.path}, and its lock does not outlast it`);
    }
    const others = locks.holders(now()).filter((holder) => !holder.startsWith(`${caller.name} `));
    if (others.length > 0) {
      findings.breach(
        'fencing',
        `${caller.name} sends ${request.method} ${request.path} while ${others.join(', ')} may believe in the lock`,
      );
    }
  }

  #judgeCount({ caller, record, late }: SentCall, { volumeId, count }: { volumeId: string; count: number }): void {
    const { findings, syncedHoldMs } = this.#o;
    const n = record?.originalReplicas;
    if (record === undefined || n === undefined || record.request.volumeId !== volumeId) {
      findings.breach('S2', `${caller.name} puts ${count} replicas on ${volumeId} without a plan in the journal`);
      return;
    }
    const wanted = { 'scale-up': n + 1, 'scale-down': n, 'roll-back': n }[record.step as string];
    if (count !== wanted && !(late && (count === n || count === n + 1))) {
      findings.breach('S2', `${caller.name} puts ${count} replicas on ${volumeId} at ${record.step}, where n is ${n}`);
    }
    findings.count(count === n ? 'shrinks sent' : 'grows sent');
    if (record.step === 'scale-down' && count === n) {
      const uuid = record.newReplica?.uuid ?? '';
      const seenForMs = caller.sawSyncedForMs(uuid);
      if (seenForMs === undefined || seenForMs < syncedHoldMs) {
        findings.breach('S1', `${caller.name} shrinks ${volumeId}, having seen ${uuid} synced for ${seenForMs ?? 0} ms`);
      }
    }
  }

  #judgeChange(sent: SentCall, change: { id: string; before: VolumeLook; after: VolumeLook }): void {
    const { findings, mayastor, locks, now } = this.#o;
    const { caller, what, record, request } = sent;
    const { id, before, after } = change;
    const n = record?.originalReplicas ?? before.count;
    if (after.synced < before.synced && after.synced < n) {
      findings.breach(
        'S2',
        `${caller.name}: ${request.path} left ${id} with ${after.synced} synced replicas of ${n}, before it were ${before.synced}`,
      );
    }
    if (what.kind !== 'count' || what.volumeId !== id) {
      findings.breach('S2', `${caller.name}: ${request.method} ${request.path} changed the replicas of ${id}`);
      return;
    }
    const inTime = !sent.late && locks.heldBy(caller.name, { nowMs: now(), forMs: 0 });
    if (!inTime || caller.fooled || record === undefined || !mayastor.undisturbedSince(id, caller.lookedAtMs)) {
      findings.count('counts put with effect that nobody can answer for');
      return;
    }
    findings.count('counts put with effect in their time');
    const gone = before.replicas.find((uuid) => !after.replicas.includes(uuid));
    const made = after.replicas.find((uuid) => !before.replicas.includes(uuid));
    if (made !== undefined && mayastor.model.replicas[made]?.pool !== record.plan?.destination.pool) {
      findings.breach(
        'steering',
        `${caller.name} grew ${id} on ${mayastor.model.replicas[made]?.pool}, and meant ${record.plan?.destination.pool}`,
      );
    }
    const meant = record.step === 'roll-back' ? newReplicas(record, before.replicas) : [record.plan?.source.uuid];
    if (gone !== undefined && (meant.length !== 1 || meant[0] !== gone)) {
      findings.breach('steering', `${caller.name} removed ${gone} from ${id} at ${record.step}, and meant ${meant.join()}`);
    }
  }

  /** What docs/safety.md says that a late call can leave. */
  #excuse(sent: SentCall, before: Snapshot, after: Snapshot): void {
    const { expectations, findings } = this.#o;
    const { what } = sent;
    if (!sent.late) {
      return;
    }
    if (what.kind === 'count' && before.volumes.get(what.volumeId)?.count !== after.volumes.get(what.volumeId)?.count) {
      expectations.excuse(`count ${what.volumeId}`, 'a late replica count');
    }
    if ((what.kind === 'pool-cordon' || what.kind === 'gate-mark') && before.pools.get(what.pool) !== after.pools.get(what.pool)) {
      expectations.excuse(`cordon ${what.pool}`, 'a late cordon or mark');
    }
    if (
      (what.kind === 'unlabel' || what.kind === 'label' || what.kind === 'gate-mark') &&
      before.pools.get(what.pool) !== after.pools.get(what.pool)
    ) {
      expectations.excuse(`label ${what.pool}`, 'a late label or mark');
    }
    if (
      what.kind === 'gate-unmark' &&
      before.pools.get(what.pool) !== after.pools.get(what.pool) &&
      findings.counts['crashes'] !== undefined
    ) {
      // Of a mark that stands again for another gate: where its holder dies, nobody knows any more what it told of.
      expectations.excuse(`cordon ${what.pool}`, 'a late removal of a mark');
      expectations.excuse(`label ${what.pool}`, 'a late removal of a mark');
    }
    if (what.kind === 'pool-uncordon' && before.pools.get(what.pool) !== after.pools.get(what.pool)) {
      expectations.excuse(`cordon ${what.pool}`, 'a late lifting of a cordon');
    }
  }
}

/**
 * What a roll-back may take: the replica that was adopted, which the journal named by its uuid before anything else could appear beside it, or
 * the only new one. What self-healing, or somebody who set the count, has put there since is not ours to take.
 */
function newReplicas({ before = [], newReplica }: MoveRecord, replicas: readonly string[]): string[] {
  const fresh = replicas.filter((uuid) => before.every((replica) => replica.uuid !== uuid));
  const adopted = fresh.filter((uuid) => uuid === newReplica?.uuid);
  return adopted.length > 0 ? adopted : fresh;
}

interface VolumeLook {
  readonly count: number;
  readonly synced: number;
  readonly replicas: readonly string[];
}

interface Snapshot {
  readonly volumes: ReadonlyMap<string, VolumeLook>;
  readonly pools: ReadonlyMap<string, string>;
}

function snapshotOf(model: Cluster): Snapshot {
  return {
    volumes: new Map(
      Object.values(model.volumes).map((volume) => [
        volume.uuid,
        { count: volume.numReplicas, synced: syncedReplicas(model, volume).length, replicas: [...volume.replicas] },
      ]),
    ),
    pools: new Map(Object.values(model.pools).map(({ id, cordon, labels }) => [id, `${cordon.replicas} ${Object.entries(labels).join()}`])),
  };
}

function whatOf({ method, path }: ModelRequest): What {
  const [, , kind = '', id = '', verb = '', rest = ''] = path.split('/');
  const put = method === 'PUT';
  if (kind === 'volumes' && verb === 'replica_count') {
    return { kind: 'count', volumeId: id, count: Number(rest) };
  }
  if (kind === 'nodes') {
    return { kind: put ? 'node-cordon' : 'node-uncordon', node: id };
  }
  if (verb === 'cordon') {
    return id.startsWith('couchestor-Probe') ? { kind: 'probe' } : { kind: put ? 'pool-cordon' : 'pool-uncordon', pool: id };
  }
  const [key = ''] = rest.split('=');
  if (key.startsWith('couchestor-move-')) {
    return { kind: 'volume-mark' };
  }
  if (key === 'couchestor-gate') {
    return { kind: put ? 'gate-mark' : 'gate-unmark', pool: id };
  }
  return { kind: put ? 'label' : 'unlabel', pool: id, key };
}
