import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erasureCodingPolicySpecSchema } from '../erasure-coding-policy.ts';
import { judgeDocument, judgeErasureCodingPolicy, judgeStoragePolicy, kindOf } from './judge.ts';

const problemsOf = (judged: object) => ('problems' in judged ? judged.problems : 'none');

describe('the judgement of a spec', () => {
  it('gives the spec with its defaults', () => {
    expect(judgeStoragePolicy({ dryRun: true })).toMatchObject({ spec: { dryRun: true, highWatermarkIOPS: 5_000 } });
    expect(judgeErasureCodingPolicy({})).toEqual({ spec: erasureCodingPolicySpecSchema.parse({}) });
  });

  it.each([[undefined], [null], ['text'], [[]], [7]])('takes no %j for a spec', (raw) => {
    expect(problemsOf(judgeStoragePolicy(raw))).toEqual([expect.stringMatching(/^spec: /)]);
    expect(problemsOf(judgeErasureCodingPolicy(raw))).toEqual([expect.stringMatching(/^spec: /)]);
  });

  it('tells all faults at once, each by its field', () => {
    expect(problemsOf(judgeStoragePolicy({ highWatermarkIOPS: 100, storageClassName: 'A B', nope: 1 }))).toEqual([
      'spec.storageClassName: must be a DNS name: lower-case letters, digits, - and .',
      'spec.nope is no field: remove it',
      'spec.highWatermarkIOPS: must be above lowWatermarkIOPS (100 is not above 500)',
      'spec.warmWatermarkIOPS: must be 0 (no warm tier) or between low and high (500 < 2000 < 100 does not hold)',
    ]);
  });

  it('tells a fault of a bound once, though there is a rule about it too', () => {
    expect(problemsOf(judgeErasureCodingPolicy({ stripeSizeBytes: 1 }))).toEqual([
      expect.stringMatching(/^spec\.stripeSizeBytes: .*65536/),
    ]);
  });

  it('knows the fields at every depth', () => {
    expect(problemsOf(judgeStoragePolicy({ hotPoolSelector: { matchLabel: {} } }))).toEqual([
      'spec.hotPoolSelector.matchLabel is no field: did you mean matchLabels?',
    ]);
    expect(
      problemsOf(judgeStoragePolicy({ hotPoolSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', value: [] }] } })),
    ).toEqual(['spec.hotPoolSelector.matchExpressions.0.value is no field: did you mean values?']);
    expect(problemsOf(judgeErasureCodingPolicy({ journalConfig: { replicationfactor: 1 } }))).toEqual([
      'spec.journalConfig.replicationfactor is no field: did you mean replicationFactor?',
    ]);
  });

  it('holds an erasure coding policy to the shape that it was accepted with, and lets the rest change', () => {
    const accepted = erasureCodingPolicySpecSchema.parse({});
    expect(judgeErasureCodingPolicy({ scrubbingEnabled: true, journalConfig: { replicationFactor: 1 } }, accepted)).toHaveProperty('spec');
    expect(problemsOf(judgeErasureCodingPolicy({ dataShards: 6, codec: 'ronomon' }, accepted))).toEqual([
      'spec.dataShards: cannot be changed once the policy was accepted, for stripes are written by it: make another policy (4 was accepted, 6 is written)',
      'spec.codec: cannot be changed once the policy was accepted, for stripes are written by it: make another policy (isal-compatible was accepted, ronomon is written)',
    ]);
  });
});

describe('the judgement of a document', () => {
  it('has an answer to anything', () => {
    const anything = fc.oneof(
      fc.anything({ withNullPrototype: true }),
      fc.record({ kind: fc.constantFrom('StoragePolicy', 'ErasureCodingPolicy'), metadata: fc.object(), spec: fc.object() }),
    );
    fc.assert(
      fc.property(anything, (document) => {
        const judged = judgeDocument(document);
        expect('problems' in judged ? judged.problems.length : 0).toBeGreaterThan(0);
      }),
    );
  });

  const metadata = { name: 'gold' };
  const apiVersion = 'storage.billyronks.io/v1';

  it('goes by its kind', () => {
    expect(judgeDocument({ apiVersion, kind: 'StoragePolicy', metadata, spec: {} })).toMatchObject({ kind: 'StoragePolicy', name: 'gold' });
    const ec = judgeDocument({ apiVersion, kind: 'ErasureCodingPolicy', metadata, spec: {} });
    expect(ec).toMatchObject({ kind: 'ErasureCodingPolicy', name: 'gold', spec: { dataShards: 4 } });
  });

  it('says what it takes where there is another kind, no spec or no name', () => {
    expect(problemsOf(judgeDocument({ apiVersion, kind: 'Deployment', metadata, spec: {} }))).toEqual([
      'kind must be StoragePolicy or ErasureCodingPolicy; nothing else is taken here',
    ]);
    expect(problemsOf(judgeDocument({ apiVersion, kind: 'ErasureCodingPolicy', metadata: {} }))).toEqual([
      expect.stringMatching(/^metadata\.name: /),
      expect.stringMatching(/^spec: /),
    ]);
    expect([kindOf(null), kindOf('x'), kindOf({ kind: 'StoragePolicy' })]).toEqual([undefined, undefined, 'StoragePolicy']);
  });
});
