import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { tiersFastestFirst } from '@couchestor/shared/tiers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clusterWith,
  decide,
  finishedMove,
  limits,
  measured,
  nowMs,
  onlyVolume,
  policyOf,
  poolOf,
  requestFor,
  roundIntervalMs,
  roundOf,
  type SituationInput,
  situation,
  volumeId,
  volumeOf,
  windowSeconds,
} from '../testing/fixtures.ts';
import { decideVolume } from './decide-volume.ts';
import { emptyEntry, failuresMax, finish, request } from './ledger.ts';
import { type RuleCode, rules } from './rules.ts';
import { look } from './sight.ts';

const hours = 3_600_000;
const ago = (ms: number) => new Date(nowMs - ms).toISOString();
const entryWith = (o: Partial<LedgerEntry>): LedgerEntry => ({ ...emptyEntry, ...o });
const historyLine = (...o: Parameters<typeof finishedMove>) => {
  const { volumeId: _id, ...line } = finishedMove(...o);
  return line;
};
const busy = measured(6_000);

/** The refusal that the ledger holds after the migrator has refused this move, as the brain saw the volume when it asked for it. */
function refused(o: SituationInput, causeFingerprint: string): LedgerEntry {
  const { facts, policies, poolTiers: tiersByPolicy } = situation(o);
  const [policy] = policies;
  const poolTiers = tiersByPolicy.get('gold');
  if (policy === undefined || poolTiers === undefined || facts.cluster === undefined) {
    throw new TypeError('no policy');
  }
  const sight = look({ volume: onlyVolume(facts), to: 'hot', policy, poolTiers, cluster: facts.cluster }).key;
  const asked = request(emptyEntry, { request: requestFor(), numReplicas: 2, sight });
  return finish(asked, finishedMove('refused', { code: 'REFUSED_X', causeFingerprint }), {
    atMs: nowMs,
    cooldownMs: hours,
    numReplicas: 2,
  });
}

const idle: VolumeSample = { status: 'idle', volumeId: volumeId(1) };
const unknown: VolumeSample = { status: 'unknown', volumeId: volumeId(1), reason: 'published, but Prometheus has no series of it' };
/** As the catalog leaves a volume whose claim it does not know. */
const known = clusterWith([volumeOf()]);
const withoutLabels = {
  ...known,
  volumes: known.volumes.map((volume) => ({ ...volume, catalogProblem: 'its claim is not known yet' })),
};
const twoPolicies = [policyOf('gold'), policyOf('silver')];
const nodesAllTaken = { volume: volumeOf({ pools: ['cold-1', 'cold-2', 'cold-3'] }), sample: busy };

const cases: { name: string; given: SituationInput; rule: RuleCode; reason: RegExp; to?: string }[] = [
  {
    name: 'a busy cold volume is to move to hot',
    given: { sample: busy },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /mean over 1h is 6000 IOPS \(3000 read, 3000 write\), at or above the high watermark 5000: cold to hot/,
  },
  {
    name: 'a quiet hot volume is to move to cold',
    given: { volume: volumeOf({ pools: ['hot-1'] }), sample: measured(5) },
    rule: 'TO_COLD',
    to: 'cold',
    reason: /at or below the low watermark 500/,
  },
  {
    name: 'a cold volume at warm is to move to warm',
    given: { sample: measured(2_000) },
    rule: 'UP_TO_WARM',
    to: 'warm',
    reason: /warm watermark 2000: cold to warm/,
  },
  {
    name: 'a hot volume below warm is to move to warm',
    given: { volume: volumeOf({ pools: ['hot-1'] }), sample: measured(1_999) },
    rule: 'DOWN_TO_WARM',
    to: 'warm',
    reason: /below the warm watermark 2000/,
  },
  { name: 'a volume that belongs where it is stays', given: { sample: measured(100) }, rule: 'STAY', reason: /no watermark/ },
  {
    name: 'a mixed volume is brought together where most replicas lie',
    given: { volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }), sample: measured(100) },
    rule: 'REPAIR',
    to: 'cold',
    reason: /brought together in cold/,
  },
  {
    name: 'a mixed volume is decided as if in the faster tier on a tie',
    given: { volume: volumeOf({ pools: ['hot-1', 'cold-2'] }), sample: measured(3_000) },
    rule: 'REPAIR',
    to: 'hot',
    reason: /brought together in hot/,
  },
  {
    name: 'a mixed volume that belongs elsewhere goes there',
    given: { volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }), sample: busy },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'a volume that no policy selects is left alone',
    given: { policies: [policyOf('gold', { storageClassName: 'other' })], sample: busy },
    rule: 'NO_POLICY',
    reason: /storage class mayastor/,
  },
  {
    name: 'volumeSelector is obeyed',
    given: { policies: [policyOf('gold', { volumeSelector: { matchLabels: { team: 'a' } } })], sample: busy },
    rule: 'NO_POLICY',
    reason: /no policy/,
  },
  {
    name: 'a disabled policy decides nothing',
    given: { policies: [policyOf('gold', { enabled: false })], sample: busy },
    rule: 'POLICY_DISABLED',
    reason: /gold .* disabled/,
  },
  {
    name: 'two policies for one volume are a conflict and not a fight',
    given: { policies: twoPolicies, sample: busy },
    rule: 'CONFLICT',
    reason: /gold and silver both/,
  },
  {
    name: 'a disabled policy is no party to a conflict',
    given: { policies: [policyOf('gold'), policyOf('silver', { enabled: false })], sample: busy },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'an unreadable Mayastor is unknown',
    given: { readable: false, sample: busy },
    rule: 'MAYASTOR_UNREADABLE',
    reason: /Mayastor could not be read/,
  },
  {
    name: 'an unreadable Kubernetes is unknown, also where two policies seem to select the volume',
    given: { catalogProblem: 'PersistentVolumes cannot be followed any more', policies: twoPolicies, sample: busy },
    rule: 'KUBERNETES_UNREADABLE',
    reason: /PersistentVolumes cannot be followed/,
  },
  {
    name: 'a volume whose labels are not known is unknown, whichever policy seems to select it',
    given: { cluster: withoutLabels, policies: twoPolicies, sample: busy },
    rule: 'LABELS_UNKNOWN',
    reason: /its claim is not known yet/,
  },
  {
    name: 'a replica without a known pool is unknown',
    given: { volume: volumeOf({ pools: ['cold-1', undefined] }), sample: busy },
    rule: 'PLACEMENT_UNKNOWN',
    reason: /on which pool/,
  },
  { name: 'a ninth window is unknown', given: { windows: new Set(), sample: busy }, rule: 'NO_WINDOW', reason: /eight other/ },
  { name: 'no round is unknown', given: { rounds: new Map() }, rule: 'NO_ROUND', reason: /no complete round/ },
  {
    name: 'a round older than two rounds is unknown',
    given: { rounds: new Map([[windowSeconds, roundOf([busy], { ageMs: 2 * roundIntervalMs + 1 })]]) },
    rule: 'SAMPLE_STALE',
    reason: /older than 2 rounds of 1m/,
  },
  {
    name: 'a round of just two rounds ago still counts',
    given: { rounds: new Map([[windowSeconds, roundOf([busy], { ageMs: 2 * roundIntervalMs })]]) },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'a volume that the round leaves out is unknown',
    given: { rounds: new Map([[windowSeconds, roundOf([])]]) },
    rule: 'NO_SAMPLE',
    reason: /round 7/,
  },
  {
    name: 'an unknown sample is unknown, for its reason',
    given: { sample: unknown },
    rule: 'NOT_MEASURED',
    reason: /Prometheus has no series/,
  },
  { name: 'low coverage is unknown', given: { sample: measured(6_000, { coverage: 0.79 }) }, rule: 'LOW_COVERAGE', reason: /only 79 %/ },
  {
    name: 'just enough coverage counts',
    given: { sample: measured(6_000, { coverage: 0.8 }) },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'an idle volume that was published since is unknown',
    given: { volume: volumeOf({ pools: ['hot-1'] }), sample: idle },
    rule: 'PUBLISHED_SINCE',
    reason: /has been since/,
  },
  {
    name: 'an idle volume in cold stays',
    given: { volume: volumeOf({ published: false }), sample: idle },
    rule: 'STAY',
    reason: /not published, so it does no work/,
  },
  {
    name: 'an idle volume in hot is to go to cold and cannot',
    given: { volume: volumeOf({ pools: ['hot-1'], published: false }), sample: idle },
    rule: 'NOT_PUBLISHED',
    to: 'cold',
    reason: /once a workload mounts it/,
  },
  {
    name: 'a volume outside all tiers is left alone',
    given: { volume: volumeOf({ pools: ['other-1'] }), sample: busy },
    rule: 'OUTSIDE_TIERS',
    reason: /label its pools/,
  },
  {
    name: 'a degraded volume waits',
    given: { volume: volumeOf({ status: 'Degraded' }), sample: busy },
    rule: 'NOT_ONLINE',
    to: 'hot',
    reason: /Degraded/,
  },
  {
    name: 'a tier without an online pool blocks',
    given: {
      cluster: clusterWith([volumeOf()], { pools: [poolOf('cold', 1), poolOf('cold', 2), poolOf('hot', 1, { online: false })] }),
      sample: busy,
    },
    rule: 'NO_POOL',
    to: 'hot',
    reason: /Tier hot has no pool that is online/,
  },
  {
    name: 'a dry run of the policy would move',
    given: { policies: [policyOf('gold', { dryRun: true })], sample: busy },
    rule: 'DRY_RUN',
    to: 'hot',
    reason: /dry run: would move to hot/,
  },
  {
    name: 'a dry run of the operator would move',
    given: { limits: { ...limits, dryRun: true }, sample: busy },
    rule: 'DRY_RUN',
    to: 'hot',
    reason: /dry run: would move to hot/,
  },
  {
    name: 'the cooldown holds back',
    given: { sample: busy, entry: entryWith({ lastMovedAt: ago(23 * hours) }) },
    rule: 'COOLDOWN',
    to: 'hot',
    reason: /moved 23h ago; the cooldown of 1d ends in 1h/,
  },
  {
    name: 'after the cooldown it moves',
    given: { sample: busy, entry: entryWith({ lastMovedAt: ago(24 * hours) }) },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'the cooldown does not hold back a repair',
    given: {
      volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }),
      sample: measured(100),
      entry: entryWith({ lastMovedAt: ago(hours) }),
    },
    rule: 'REPAIR',
    to: 'cold',
    reason: /brought together/,
  },
  {
    name: 'the cooldown does not hold back the rest of a move that stopped half-way',
    given: {
      volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }),
      sample: busy,
      entry: entryWith({ lastMovedAt: ago(hours), history: [historyLine('failed', { replicasMoved: 1 })] }),
    },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'the cooldown holds back a mixed volume on its way to yet another tier',
    given: {
      volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }),
      sample: busy,
      entry: entryWith({ lastMovedAt: ago(hours), history: [historyLine('success', { to: 'cold' })] }),
    },
    rule: 'COOLDOWN',
    to: 'hot',
    reason: /cooldown/,
  },
  {
    name: 'a back-off holds back',
    given: { sample: busy, entry: entryWith({ failures: 1, retryAt: ago(-60_000), history: [historyLine('failed')] }) },
    rule: 'BACK_OFF',
    to: 'hot',
    reason: /in 1m, after: It ended as failed/,
  },
  {
    name: 'a back-off holds back a repair too',
    given: {
      volume: volumeOf({ pools: ['hot-1', 'cold-2', 'cold-3'] }),
      sample: measured(100),
      entry: entryWith({ failures: 1, retryAt: ago(-60_000) }),
    },
    rule: 'BACK_OFF',
    to: 'cold',
    reason: /in 1m/,
  },
  {
    name: 'after the back-off it is tried again',
    given: { sample: busy, entry: entryWith({ failures: 4, retryAt: ago(0) }) },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'five failures wait for a person',
    given: { sample: busy, entry: entryWith({ failures: failuresMax }) },
    rule: 'FAILED_TOO_OFTEN',
    to: 'hot',
    reason: /migrations retry/,
  },
  {
    name: 'a kept replica blocks until num_replicas is back',
    given: {
      volume: volumeOf({ pools: ['hot-1', 'cold-1', 'cold-2'], numReplicas: 3 }),
      sample: busy,
      entry: entryWith({ keptOld: { numReplicas: 2, message: 'Kept.' } }),
    },
    rule: 'KEPT_OLD',
    to: 'hot',
    reason: /from 3 to 2/,
  },
  {
    name: 'a kept replica that was removed blocks no more',
    given: { sample: busy, entry: entryWith({ keptOld: { numReplicas: 2, message: 'Kept.' } }) },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'a refusal holds while the brain sees the same',
    given: { sample: busy, entry: refused({ sample: busy }, 'a measured rate that the brain does not know') },
    rule: 'REFUSED',
    to: 'hot',
    reason: /It ended as refused/,
  },
  {
    name: 'a refusal holds while its cause by the shared rules is the same',
    given: { ...nodesAllTaken, entry: refused(nodesAllTaken, 'x') },
    rule: 'REFUSED',
    to: 'hot',
    reason: /It ended as refused/,
  },
  {
    name: 'a refusal no longer holds once its cause is gone',
    given: { sample: busy, entry: refused(nodesAllTaken, 'x') },
    rule: 'TO_HOT',
    to: 'hot',
    reason: /cold to hot/,
  },
  {
    name: 'a refusal of another destination does not hold',
    given: { sample: measured(2_500), entry: refused({ sample: busy }, 'x') },
    rule: 'UP_TO_WARM',
    to: 'warm',
    reason: /cold to warm/,
  },
  {
    name: 'a request that is out is shown',
    given: { sample: busy, entry: request(emptyEntry, { request: requestFor(), numReplicas: 2, sight: '' }) },
    rule: 'REQUESTED',
    to: 'hot',
    reason: /waits for a migrator/,
  },
];

describe('the decision on one volume', () => {
  it.each(cases)('$name', ({ given, rule, reason, to }) => {
    const { decision, wanted } = decide(given);
    expect(decision).toMatchObject({ rule, verb: rules[rule].verb });
    expect(decision.to).toBe(to);
    expect(decision.reason).toMatch(reason);
    expect(wanted !== undefined).toBe(rules[rule].verb === 'move' && rule !== 'REQUESTED');
  });

  it('shows the step of a move that was accepted', () => {
    const pending = { request: requestFor(), accepted: true, step: 'wait-sync', numReplicas: 2, sight: '' };
    expect(decide({ sample: busy, entry: entryWith({ requests: 1, pending }) }).decision).toMatchObject({
      rule: 'MOVING',
      to: 'hot',
      policy: 'gold',
    });
  });

  it('names both policies of a conflict', () => {
    expect(decide({ policies: twoPolicies, sample: busy }).conflict).toEqual(['gold', 'silver']);
  });

  it('carries the numbers that it used', () => {
    expect(decide({ sample: busy }).decision).toMatchObject({
      sample: busy,
      sampleAgeMs: 1_000,
      watermarks: { high: 5_000, warm: 2_000, low: 500 },
      placement: 'cold',
      policy: 'gold',
    });
  });
});

describe('properties of the decision', () => {
  const anyPools = fc.array(fc.constantFrom('hot-1', 'warm-2', 'cold-3', 'cold-1', 'other-2', undefined), { minLength: 1, maxLength: 4 });
  const anyIops = fc.integer({ min: 0, max: 20_000 });
  const notKnown = fc.oneof(
    fc.constant({ sample: unknown }),
    fc.double({ min: 0, max: 0.79, noNaN: true }).map((coverage) => ({ sample: measured(9_000, { coverage }) })),
    fc
      .integer({ min: 2 * roundIntervalMs + 1, max: 10 ** 10 })
      .map((ageMs) => ({ rounds: new Map([[windowSeconds, roundOf([busy], { ageMs })]]) })),
    fc.constant({ rounds: new Map() }),
    fc.constant({ readable: false }),
    fc.constant({ windows: new Set<number>() }),
  );

  it('moves nothing on an unknown measurement (S4)', () => {
    fc.assert(
      fc.property(anyPools, notKnown, fc.boolean(), (pools, given, published) => {
        const { decision, wanted } = decide({ volume: volumeOf({ pools, published }), ...given });
        expect(decision.verb).toBe('unknown');
        expect(wanted).toBeUndefined();
      }),
    );
  });

  it('wants a move only with the verb move, and only to a tier with an online pool', () => {
    fc.assert(
      fc.property(anyPools, anyIops, fc.subarray([...tiersFastestFirst]), (pools, iops, online) => {
        const cluster = clusterWith([volumeOf({ pools })], {
          pools: tiersFastestFirst.flatMap((tier) => [1, 2, 3].map((node) => poolOf(tier, node, { online: online.includes(tier) }))),
        });
        const { decision, wanted } = decide({ cluster, sample: measured(iops) });
        expect(wanted === undefined || (decision.verb === 'move' && online.includes(wanted.to))).toBe(true);
      }),
    );
  });

  it('is the same for the same input', () => {
    fc.assert(
      fc.property(anyPools, anyIops, (pools, iops) => {
        const { facts } = situation({ volume: volumeOf({ pools }), sample: measured(iops) });
        expect(decideVolume(onlyVolume(facts), undefined, facts)).toEqual(decideVolume(onlyVolume(facts), undefined, facts));
      }),
    );
  });
});
