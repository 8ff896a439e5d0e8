/** What the judge of the brain takes for a round that may be decided on. */
import { ledgerBucket } from '@couchestor/shared/contracts/brain';
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { storagePolicySpecSchema } from '@couchestor/shared/storage-policy';
import { describe, expect, it } from 'vitest';
import { request, volumeId } from '../house.ts';
import { BrainJudge } from './brain-judge.ts';
import { Findings } from './findings.ts';
import { Policies } from './policies.ts';
import { SimTime } from './sim-time.ts';

const intervalMs = 30_000;

/** What is found where these batches came, in this order, and then a move is requested. Named by the round, the batch and how many there are. */
function foundAfter(batches: readonly (readonly [round: number, batch: number, of: number])[]): string[] {
  const time = new SimTime();
  const findings = new Findings({ time, traced: false });
  const spec = storagePolicySpecSchema.parse({ samplingWindow: '1h', maxConcurrentMigrations: 1 });
  const policies = new Policies([{ name: 'main', spec }], time.now);
  const judge = new BrainJudge({ findings, policies, movesMax: 1, now: time.now });
  judge.clockDoubtfulUntilMs = -1;
  const { triggerIops } = request();
  const sample: VolumeSample = { status: 'measured', volumeId, readIops: triggerIops, writeIops: 0, iops: triggerIops, coverage: 1 };
  for (const [round, batch, of] of batches) {
    const publishedAtMs = round * intervalMs + batch;
    const samples = batch === of - 1 ? [sample] : [];
    const observedAt = new Date(round * intervalMs).toISOString();
    judge.delivered({ windowSeconds: 3_600, round, roundIntervalMs: intervalMs, observedAt, batch, batches: of, samples }, publishedAtMs);
  }
  const asked = request({ policy: { name: 'main', uid: 'file:main', generation: 1 }, reason: `it has ${triggerIops} IOPS` });
  judge.stored(ledgerBucket.name, volumeId, { pending: { request: asked } });
  return findings.violations;
}

describe('the judge of the brain', () => {
  it('puts a round together, though a batch of an earlier one is delivered once more in between', () => {
    expect(
      foundAfter([
        [2, 0, 2],
        [1, 1, 2],
        [2, 1, 2],
      ]),
    ).toEqual([]);
  });

  it('takes no round for whole that lacks a batch, whatever came of others', () => {
    const whole = expect.stringMatching(/^S4 .* requested on \[\]$/);
    expect(
      foundAfter([
        [2, 0, 2],
        [1, 1, 2],
      ]),
    ).toEqual([whole]);
    expect(
      foundAfter([
        [1, 0, 2],
        [2, 1, 2],
      ]),
    ).toEqual([whole]);
  });
});
