/** Judges what the brain requests (S4, limits) and what it says of every volume (S5), by what it was told. */
import type { Brain } from '@couchestor/policy-brain/brain';
import { type RuleCode, rules } from '@couchestor/policy-brain/domain/rules';
import type { LedgerEntry } from '@couchestor/shared/contracts/brain';
import { ledgerBucket } from '@couchestor/shared/contracts/brain';
import type { VolumeSample, VolumeSampledPayload } from '@couchestor/shared/contracts/volume-sampled';
import { parseDurationMs } from '@couchestor/shared/duration';
import type { StoragePolicySpec } from '@couchestor/shared/storage-policy';
import type { Findings } from './findings.ts';
import type { Policies } from './policies.ts';

const coverageMin = 0.8;

interface SampledRound {
  readonly atMs: number;
  /** By the clock of NATS, its last batch. */
  readonly publishedAtMs: number;
  /** When the next one had come. */
  untilMs: number;
  readonly intervalMs: number;
  readonly samples: ReadonlyMap<string, VolumeSample>;
}

export class BrainJudge {
  readonly #findings: Findings;
  readonly #policies: Policies;
  readonly #movesMax: number;
  readonly #now: () => number;
  /** By window: the newest round, once all of its batches were delivered. */
  readonly #rounds = new Map<number, SampledRound[]>();
  readonly #batches = new Map<number, { round: number; atMs: number; publishedAtMs: number; seen: Map<number, readonly VolumeSample[]> }>();
  readonly #pending = new Map<string, string>();
  /** Until then the clock of NATS, by which ages are told, may be wrong. */
  clockDoubtfulUntilMs = 0;
  /** Of the brain, the one in hand. */
  roundBeganAtMs = 0;

  constructor(o: { findings: Findings; policies: Policies; movesMax: number; now: () => number }) {
    this.#findings = o.findings;
    this.#policies = o.policies;
    this.#movesMax = o.movesMax;
    this.#now = o.now;
  }

  delivered({ windowSeconds, round, batch, batches, samples, roundIntervalMs }: VolumeSampledPayload, publishedAtMs: number): void {
    const known = this.#batches.get(windowSeconds);
    const newest = this.#rounds.get(windowSeconds)?.at(-1);
    // A batch of an earlier round, delivered once more, does not break off the round in hand either: the brain goes by when each was published.
    const olderThan = (one: { publishedAtMs: number } | undefined): boolean => one !== undefined && publishedAtMs < one.publishedAtMs;
    if ((olderThan(newest) || (known?.round !== round && olderThan(known))) && this.#now() > this.clockDoubtfulUntilMs) {
      return;
    }
    const partial = known?.round === round ? known : { round, atMs: this.#now(), publishedAtMs, seen: new Map() };
    partial.seen.set(batch, samples);
    this.#batches.set(windowSeconds, partial);
    if (partial.seen.size === batches) {
      const all = [...partial.seen.values()].flat().map((sample): [string, VolumeSample] => [sample.volumeId, sample]);
      const rounds = this.#rounds.get(windowSeconds) ?? [];
      for (const last of rounds.slice(-1)) {
        last.untilMs = this.#now();
      }
      const next = {
        atMs: partial.atMs,
        publishedAtMs,
        untilMs: Number.POSITIVE_INFINITY,
        intervalMs: roundIntervalMs,
        samples: new Map(all),
      };
      this.#rounds.set(windowSeconds, [...rounds.slice(-5), next]);
    }
  }

  /** A brain that has just started knows no samples. */
  brainStarted(): void {
    this.#rounds.clear();
    this.#batches.clear();
  }

  wiped(): void {
    this.#pending.clear();
  }

  stored(bucket: string, volumeId: string, value: unknown): void {
    if (bucket !== ledgerBucket.name) {
      return;
    }
    const pending = (value as LedgerEntry | undefined)?.pending;
    if (pending === undefined) {
      this.#pending.delete(volumeId);
      return;
    }
    if (this.#pending.has(volumeId)) {
      return;
    }
    this.#pending.set(volumeId, pending.request.policy.name);
    this.#judgeRequest(volumeId, pending);
  }

  judgeRound(brain: Brain): void {
    const decisions = brain.round?.outcome.decisions;
    for (const { id } of brain.stillLeads() ? (brain.cluster?.volumes ?? []) : []) {
      const decision = decisions?.get(id);
      if (decision === undefined || decision.reason === '' || !(decision.rule in rules)) {
        this.#findings.breach('S5', `volume ${id} has no decision with a known rule and a reason: ${JSON.stringify(decision)}`);
      } else {
        this.#findings.count(`decided: ${rules[decision.rule as RuleCode].verb}`);
      }
    }
  }

  #judgeRequest(volumeId: string, { request }: NonNullable<LedgerEntry['pending']>): void {
    const { moveId, from, to, triggerIops, reason, policy } = request;
    this.#findings.count('moves requested');
    const complain = (rule: string, words: string): void =>
      this.#findings.breach(rule, `${moveId} of ${volumeId}, ${from} to ${to}: ${words}`);
    const specs = this.#policies.specsSince(policy.uid, this.roundBeganAtMs).filter(({ enabled, dryRun }) => enabled && !dryRun);
    if (specs.length === 0) {
      complain('S5', `requested by policy ${policy.name}, which is deleted, disabled or in dry run`);
    }
    const bases = specs.flatMap((spec) =>
      (this.#rounds.get(parseDurationMs(spec.samplingWindow) / 1_000) ?? [])
        // Rounds that carry older timestamps than the last one, for the clock of NATS was set back, are left out until it has caught up.
        .filter(({ untilMs }) => untilMs >= this.roundBeganAtMs || this.#now() < this.clockDoubtfulUntilMs)
        .flatMap((round) => [{ spec, round, sample: round.samples.get(volumeId) }]),
    );
    const measured = bases.flatMap(({ sample, ...rest }) =>
      sample?.status === 'measured' && sample.coverage >= coverageMin ? [{ ...rest, iops: sample.iops }] : [],
    );
    if (measured.length === 0) {
      complain('S4', `requested on ${JSON.stringify(bases.map(({ sample }) => sample))}`);
      return;
    }
    const ageMs = this.roundBeganAtMs - Math.max(...measured.map(({ round }) => round.atMs));
    if (ageMs > 2 * Math.max(...measured.map(({ round }) => round.intervalMs)) + 1_000 && this.#now() > this.clockDoubtfulUntilMs) {
      complain('S4', `requested on a round that is ${ageMs} ms old`);
    }
    const due = measured.some(({ spec, iops }) => iops === triggerIops && (from === 'mixed' || isDue(spec, { from, to, iops })));
    if (!due || !/\d/.test(reason)) {
      complain('S5', `is not due at ${measured.map(({ iops }) => iops).join()} IOPS, or does not say why: "${reason}"`);
    }
    const ofPolicy = [...this.#pending.values()].filter((name) => name === policy.name).length;
    if (this.#pending.size > this.#movesMax || ofPolicy > Math.max(...specs.map((spec) => spec.maxConcurrentMigrations ?? 0))) {
      complain('limits', `${this.#pending.size} moves are requested, ${ofPolicy} of policy ${policy.name}`);
    }
  }
}

/** The watermarks, written down once more. */
function isDue(
  { highWatermarkIOPS: high, warmWatermarkIOPS: warm, lowWatermarkIOPS: low }: StoragePolicySpec,
  o: { from: string; to: string; iops: number },
): boolean {
  switch (o.to) {
    case 'hot':
      return o.iops >= high;
    case 'cold':
      return o.iops <= low;
    default:
      return o.from === 'hot' ? o.iops < warm : o.iops >= warm;
  }
}
