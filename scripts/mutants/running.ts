/** Mutants of how a move is run: marks, gates, locks, the journal, and what is found after a crash. */
import type { Mutant } from './mutant.ts';
import { suites } from './suites.ts';

const gate = 'services/migrator/src/adapters/gate.ts';
const marks = 'shared/src/placement/marks.ts';
const run = 'services/migrator/src/handlers/run-migrate-volume.ts';
const sweep = 'services/migrator/src/handlers/sweep-loop.ts';

const markCordon = "await this.#mark(poolId, formatGateMark({ kind: 'cordon', moveId }));";
const markLabel = "await this.#mark(poolId, formatGateMark({ kind: 'label', ...o }));";
const cordon = 'this.#deps.mayastor.cordonPool(poolId, gateCordonFlags));';

export const running: readonly Mutant[] = [
  {
    name: 'cordon-without-mark',
    breaks: 'marks',
    what: 'cordons pools without a mark that says that it was us',
    file: gate,
    changes: [{ find: markCordon, put: '' }],
    suites: [suites.moveDeaths],
  },
  {
    name: 'mark-after-cordon',
    breaks: 'marks',
    what: 'marks a pool only after it has cordoned it',
    file: gate,
    changes: [
      { find: markCordon, put: '' },
      { find: cordon, put: `${cordon}\n      ${markCordon}` },
    ],
    suites: [suites.moveDeaths],
  },
  {
    name: 'label-without-mark',
    breaks: 'marks',
    what: 'takes the gate label off without a mark that keeps its value',
    file: gate,
    changes: [{ find: markLabel, put: '' }],
    suites: [suites.moveDeaths],
  },
  {
    name: 'mark-removed-before-uncordon',
    breaks: 'marks',
    what: 'takes off the mark before it undoes what the mark tells of',
    file: gate,
    changes: [{ find: 'of undoCalls(leftover)) {', put: 'of undoCalls(leftover).reverse()) {' }],
    suites: [suites.moveDeaths],
  },
  {
    name: 'grow-without-volume-mark',
    breaks: 'marks',
    what: 'grows a volume whose destination does not say so',
    file: 'services/migrator/src/domain/grow.ts',
    changes: [{ find: ' && poolsMarkedFor(world.pools, volumeId).includes(destination.pool)', put: '' }],
    suites: [suites.gatesPlaced],
  },
  {
    name: 'volume-mark-left',
    breaks: 'undone',
    what: 'ends a move without taking its mark off the destination',
    file: 'services/migrator/src/domain/ways.ts',
    changes: [{ find: 'if (stale === undefined) {', put: 'if (marks.length >= 0) {' }],
    suites: [suites.machineTable],
  },
  {
    name: 'gates-left',
    breaks: 'undone',
    what: 'goes on with gates of its own still in place',
    file: 'services/migrator/src/domain/ways.ts',
    changes: [{ find: "if (sight.gate !== 'fresh') {", put: "if (sight.gate === 'none') {" }],
    suites: [suites.machineTable],
  },
  {
    name: 'way-round-the-ungating',
    breaks: 'undone',
    what: 'leaves a gated step without passing its un-gating step',
    file: 'services/migrator/src/domain/ways.ts',
    changes: [{ find: "  'scale-down': 'ungate-shrink',\n", put: '' }],
    suites: [suites.machineProperties],
  },
  {
    name: 'leftovers-not-undone',
    breaks: 'undone',
    what: 'takes the gate without undoing what its last holder left',
    file: gate,
    changes: [{ find: 'deps.metrics.leftoversUndone.inc(await gate.undoAll());', put: '' }],
    suites: [suites.sweeping],
  },
  {
    name: 'unmarked-cordon-forgotten',
    breaks: 'undone',
    what: 'undoes only what a mark tells of, though a late call may have removed the mark',
    file: gate,
    changes: [{ find: 'const all = [...marked, ...unmarked];', put: 'const all = marked;' }],
    suites: [suites.lostMark],
  },
  {
    name: 'any-cordon-is-ours',
    breaks: 'administrator',
    what: 'lifts every cordon of a pool, whoever set it',
    file: marks,
    changes: [
      {
        find: "return mark === undefined ? [] : [{ on: 'pool', pool: pool.id, ...mark }];",
        put: "return mark === undefined && !pool.spec?.cordonDrain?.cordoned?.replicas ? [] : [{ on: 'pool', pool: pool.id, ...(mark ?? { kind: 'cordon', moveId: '' }) }];",
      },
    ],
    suites: [suites.marks, suites.sweeping],
  },
  {
    name: 'any-node-cordon-is-ours',
    breaks: 'administrator',
    what: 'lifts every cordon of a node, whoever set it',
    file: marks,
    changes: [{ find: '        .filter(isNodeCordonLabel)\n', put: '' }],
    suites: [suites.marks, suites.sweeping],
  },
  {
    name: 'cordoned-pool-marked',
    breaks: 'administrator',
    what: 'marks a pool as its own that somebody else has cordoned since the plan was made',
    file: gate,
    changes: [{ find: 'pool === undefined || poolCordonedForReplicas(pool)', put: 'pool === undefined' }],
    suites: [suites.lastLook],
  },
  {
    name: 'cordon-of-others-taken-over',
    breaks: 'administrator',
    what: 'keeps its mark on a pool that somebody else cordoned a moment earlier',
    file: gate,
    changes: [{ find: 'if (first) {', put: 'if (poolId.length < 0) {' }],
    suites: [suites.lastLook],
  },
  {
    name: 'fence-gone',
    breaks: 'fencing',
    what: 'sends calls whether the lock will outlast them or not',
    file: gate,
    changes: [{ find: 'return this.#hold.surelyHeldFor(this.#deps.callTimeoutMs + fenceMarginMs);', put: 'return true;' }],
    suites: [suites.lastLook],
  },
  {
    name: 'no-fence-before-the-put',
    breaks: 'fencing',
    what: 'puts the replica count without asking whether the lock outlasts the call',
    file: run,
    changes: [{ find: "note('unsent', 'The gate lock would not have outlasted the call.');\n      return;", put: '' }],
    suites: [suites.lastLook],
  },
  {
    name: 'fence-without-margin',
    breaks: 'fencing',
    what: 'asks whether the lock is held now, and not for how long the call may take',
    file: gate,
    changes: [{ find: 'this.#hold.surelyHeldFor(this.#deps.callTimeoutMs + fenceMarginMs)', put: 'this.#hold.surelyHeldFor(0)' }],
    suites: [suites.lastLook],
  },
  {
    name: 'revision-not-checked',
    breaks: 'fencing',
    what: 'acts by a record that another process may have advanced',
    file: run,
    changes: [{ find: 'await journal.assertCurrent(this.#entry);', put: '' }],
    suites: [suites.lastLook],
  },
  {
    name: 'revision-not-checked-before-the-put',
    breaks: 'fencing',
    what: 'puts the replica count by a record that another process may have advanced',
    file: run,
    changes: [
      {
        find: "if (effect.kind !== 'look' && effect.kind !== 'wait') {",
        put: "if (effect.kind !== 'look' && effect.kind !== 'wait' && effect.kind !== 'put-replica-count') {",
      },
    ],
    suites: [suites.lastLook],
  },
  {
    name: 'journal-written-afterwards',
    breaks: 'journal',
    what: 'writes the journal only after the call that it tells of',
    file: run,
    changes: [
      { find: '        await this.#write(move);\n', put: '' },
      { find: '        lastEffect = effect.kind;\n', put: '        await this.#write(move);\n        lastEffect = effect.kind;\n' },
    ],
    suites: [suites.lastLook],
  },
  {
    name: 'journal-overwritten',
    breaks: 'journal',
    what: 'writes over a record that another process has advanced',
    file: 'services/migrator/src/adapters/journal.ts',
    changes: [
      {
        find: '(await this.#isCurrent(entry)) ? this.open.update(entry.key, record, entry.revision) : undefined;',
        put: 'this.open.update(entry.key, record, (await this.open.get(entry.key))?.revision ?? 0);',
      },
    ],
    suites: [suites.move],
  },
  {
    name: 'lock-taken-at-once',
    breaks: 'lock',
    what: 'takes the lock over without waiting for a whole lease',
    file: 'shared/src/lock.ts',
    changes: [{ find: 'nowMs - seen.sinceMs >= current.leaseMs', put: 'nowMs - seen.sinceMs >= 0' }],
    suites: [suites.lock],
  },
  {
    name: 'lease-counted-from-the-answer',
    breaks: 'lock',
    what: 'believes in the lock for a lease after the answer to its renewal, and not after the renewal was sent',
    file: 'shared/src/lock.ts',
    changes: [{ find: 'this.#heldUntilMs = sentAtMs + leaseMs;', put: 'this.#heldUntilMs = performance.now() + leaseMs;' }],
    suites: [suites.lock],
  },
  {
    name: 'forgotten-holder-not-outlasted',
    breaks: 'lock',
    what: 'takes the lock at once from a broker that came back empty',
    file: 'shared/src/lock.ts',
    changes: [{ find: 'if (memoryMs < o.stored.leaseMs) {', put: 'if (memoryMs < 0) {' }],
    suites: [suites.lock],
  },
  {
    name: 'volume-read-before-the-gates',
    breaks: 'fencing',
    what: 'judges a volume as it was before the gates that it is judged by',
    file: run,
    changes: [
      { find: '      const volume = await mayastor.getVolume(volumeId);\n', put: '' },
      {
        find: 'const [pools, nodes] = await Promise.all([mayastor.listPools(), mayastor.listNodes()]);',
        put: 'const volume = await mayastor.getVolume(volumeId);\n      const [pools, nodes] = await Promise.all([mayastor.listPools(), mayastor.listNodes()]);',
      },
    ],
    suites: [suites.lastLook],
  },
  {
    name: 'end-told-after-letting-go',
    breaks: 'recovery',
    what: 'lets go of the record of a move before it has told how that ended',
    file: 'services/migrator/src/adapters/journal.ts',
    changes: [
      { find: '    await this.tellFinished(archived);\n', put: '' },
      { find: '    return archived;\n', put: '    await this.tellFinished(archived);\n    return archived;\n' },
    ],
    suites: [suites.lettingGo],
  },
  {
    name: 'lost-job-forgotten',
    breaks: 'recovery',
    what: 'does not queue an open move whose job Redis has lost',
    file: sweep,
    changes: [{ find: 'if (deps.running.has(entry.key) ||', put: 'if (entry.revision >= 0 ||' }],
    suites: [suites.sweeping],
  },
  {
    name: 'job-id-used-again',
    breaks: 'recovery',
    what: 'queues a forgotten move under the id of its lost job, which may swallow it',
    file: sweep,
    changes: [{ find: 'attempt: entry.value.attempt + 1', put: 'attempt: entry.value.attempt' }],
    suites: [suites.sweeping],
  },
  {
    name: 'wiped-journal-not-made-good',
    breaks: 'recovery',
    what: 'leaves a replica too many whose record NATS has lost',
    file: sweep,
    changes: [{ find: 'const newReplica = grown ?', put: 'const newReplica = grown && nowMs < 0 ?' }],
    suites: [suites.sweeping],
  },
  {
    name: 'mark-not-read-again',
    breaks: 'recovery',
    what: 'undoes a move by a mark that its end has taken off meanwhile',
    file: sweep,
    changes: [
      {
        find: 'if (pool === undefined || poolLabels(pool)[volumeMarkKey(mark.volumeId)] !== formatVolumeMark(mark)) {',
        put: 'if (pool === undefined) {',
      },
    ],
    suites: [suites.wipedBrokers],
  },
  {
    name: 'unsettled-volume-undone',
    breaks: 'recovery',
    what: 'undoes a move without a record while an operation on its volume is in flight',
    file: sweep,
    changes: [{ find: 'if (!isSettled(volume)) {', put: 'if (mark.originalReplicas < 0) {' }],
    suites: [suites.sweeping],
  },
  {
    name: 'journal-revision-is-enough',
    breaks: 'journal',
    what: 'takes a record of the journal for the one it knows by its revision alone, though NATS may have lost that one',
    file: 'services/migrator/src/adapters/journal.ts',
    changes: [
      {
        find: '&& current.value.request.moveId === value.request.moveId && current.value.startedAt === value.startedAt',
        put: '',
      },
    ],
    suites: [suites.wipedJournal],
  },
  {
    name: 'lock-revision-is-enough',
    breaks: 'lock',
    what: 'renews a lock by the revision of its record alone, though NATS may have lost that one',
    file: 'shared/src/lock-kv.ts',
    changes: [{ find: 'if ((await bucket.get(name))?.value.holder !== entry.value.holder) {', put: 'if (entry === undefined) {' }],
    suites: [suites.wipedLock],
  },
  {
    name: 'replaced-replica-waited-for',
    breaks: 'bounded',
    what: 'waits on for a new replica that self-healing has replaced',
    file: 'services/migrator/src/domain/sync.ts',
    changes: [
      {
        find: 'if (replica === undefined || replica.uuid === move.newReplica?.uuid) {',
        put: 'if (replica === undefined || replica.uuid !== undefined) {',
      },
    ],
    suites: [suites.patience],
  },
];
