import { describe, expect, it } from 'vitest';
import { parsePolicyFile } from './policy-file.ts';

function document(name: string, spec: string): string {
  return `apiVersion: storage.billyronks.io/v1\nkind: StoragePolicy\nmetadata:\n  name: ${name}\nspec: ${spec}\n`;
}

const ecDocument = (name: string, spec: string) => document(name, spec).replace('StoragePolicy', 'ErasureCodingPolicy');

const messageOf = (text: string) => {
  const { policies, ecPolicies, problems } = parsePolicyFile('gold.yaml', text);
  expect([...policies, ...ecPolicies]).toEqual([]);
  expect(problems).toHaveLength(1);
  return problems[0]?.message ?? '';
};

describe('a policy file', () => {
  it('gives its policies with the defaults of the schema', () => {
    const { policies, problems } = parsePolicyFile(
      'gold.yaml',
      `${document('gold', '{highWatermarkIOPS: 9000}')}---\n${document('silver', '{}')}`,
    );
    expect(problems).toEqual([]);
    expect(policies.map(({ policy }) => [policy.name, policy.uid, policy.spec.highWatermarkIOPS, policy.spec.warmWatermarkIOPS])).toEqual([
      ['gold', 'file:gold', 9_000, 2_000],
      ['silver', 'file:silver', 5_000, 2_000],
    ]);
  });

  it('gives a generation that changes with the spec and not with its spelling', () => {
    const generationOf = (spec: string) => parsePolicyFile('f', document('gold', spec)).policies[0]?.policy.generation;
    const generation = generationOf('{dryRun: true, enabled: true}');
    expect(Number.isSafeInteger(generation)).toBe(true);
    expect(generationOf('{enabled: true, dryRun: true}')).toBe(generation);
    expect(generationOf('{enabled: true, dryRun: false}')).not.toBe(generation);
  });

  it('may be empty, or hold nothing but comments', () => {
    const nothing = { policies: [], ecPolicies: [], problems: [] };
    expect(parsePolicyFile('f', '')).toEqual(nothing);
    expect(parsePolicyFile('f', '# nothing yet\n---\n# nor here\n')).toEqual(nothing);
  });

  it('gives its erasure coding policies too, each by its kind', () => {
    const text = `${document('gold', '{ecPolicyRef: gold}')}---\n${ecDocument('gold', '{dataShards: 8, journalConfig: {destageInterval: 10s}}')}`;
    const { policies, ecPolicies, problems } = parsePolicyFile('gold.yaml', text);
    expect(problems).toEqual([]);
    expect(policies.map(({ policy }) => policy.name)).toEqual(['gold']);
    expect(ecPolicies).toMatchObject([
      {
        name: 'gold',
        source: 'gold.yaml',
        spec: { dataShards: 8, parityShards: 2, codec: 'isal-compatible', journalConfig: { destageInterval: '10s', replicationFactor: 3 } },
      },
    ]);
  });

  it('tells which kind a refused document is of', () => {
    const { problems } = parsePolicyFile('f', `${document('gold', '{nope: 1}')}---\n${ecDocument('gold', '{nope: 1}')}`);
    expect(problems.map(({ kind }) => kind)).toEqual([undefined, 'ErasureCodingPolicy']);
  });

  it.each([
    [
      'a name as an earlier operator read it',
      document('gold', '{highWatermarkIops: 9000}'),
      'gold.yaml: policy gold: spec.highWatermarkIops is no field: did you mean highWatermarkIOPS?',
    ],
    ['a former name', document('gold', '{nvmePoolSelector: {}}'), 'spec.nvmePoolSelector is no field: did you mean hotPoolSelector?'],
    ['an unknown field', document('gold', '{colour: red}'), 'spec.colour is no field: remove it'],
    [
      'watermarks in the wrong order',
      document('gold', '{highWatermarkIOPS: 100}'),
      'spec.highWatermarkIOPS: must be above lowWatermarkIOPS (100 is not above 500)',
    ],
    ['a bad duration', document('gold', '{samplingWindow: "1 hour"}'), 'spec.samplingWindow: not a duration: write digits and a unit'],
    ['another kind', document('gold', '{}').replace('StoragePolicy', 'Deployment'), 'kind must be StoragePolicy or ErasureCodingPolicy'],
    ['another version', document('gold', '{}').replace('io/v1', 'io/v9'), 'apiVersion must be storage.billyronks.io/v1'],
    ['a list', '- 1\n- 2\n', 'must be a StoragePolicy or an ErasureCodingPolicy with apiVersion, kind, metadata and spec'],
    ['text', 'hello', 'must be a StoragePolicy'],
    ['broken YAML', 'spec: {a: [1, 2\n', 'gold.yaml: not readable as YAML: '],
    [
      'an unknown field of an erasure coding policy',
      ecDocument('gold', '{dataShard: 4}'),
      'gold.yaml: policy gold: spec.dataShard is no field: did you mean dataShards?',
    ],
    [
      'an unknown field of a journal',
      ecDocument('gold', '{journalConfig: {journalSize: 1}}'),
      'spec.journalConfig.journalSize is no field: remove it',
    ],
    ['a misspelt field of a journal', ecDocument('gold', '{journalConfig: {destageIntervall: 1s}}'), 'did you mean destageInterval?'],
    ['a field of the other kind', ecDocument('gold', '{nvmePoolSelector: {}}'), 'spec.nvmePoolSelector is no field: remove it'],
    ['too many shards', ecDocument('gold', '{dataShards: 250, parityShards: 6}'), '255 together with dataShards (250 + 6 = 256)'],
    ['an algorithm that is not there', ecDocument('gold', '{algorithm: LRC}'), 'spec.algorithm: LRC is not supported: write ReedSolomon'],
    [
      'a bad selector',
      document('gold', '{hotPoolSelector: {matchExpressions: [{key: a, operator: In}]}}'),
      'spec.hotPoolSelector.matchExpressions.0: In and NotIn need values',
    ],
  ])('is refused for %s, naming the field and the cure', (_what, text, message) => {
    expect(messageOf(text)).toContain(message);
  });

  it('names the document, and does not spoil the others', () => {
    const { policies, problems } = parsePolicyFile(
      'all.yaml',
      `${document('gold', '{}')}---\n${document('silver', '{nope: 1}')}---\n${document('bronze', '{}')}`,
    );
    expect(policies.map(({ policy }) => policy.name)).toEqual(['gold', 'bronze']);
    expect(problems).toEqual([
      { name: 'silver', source: 'all.yaml', message: 'all.yaml, document 2: policy silver: spec.nope is no field: remove it' },
    ]);
  });

  it('tells all faults of a document in one message', () => {
    const message = messageOf(document('gold', '{nope: 1, cooldownPeriod: soon, maxConcurrentMigrations: 0}'));
    for (const field of ['spec.nope', 'spec.cooldownPeriod', 'spec.maxConcurrentMigrations']) {
      expect(message).toContain(field);
    }
  });

  it('cannot be blown up by aliases', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...[...'bcdefghi'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`),
    ].join('\n');
    expect(messageOf(bomb)).toContain('not readable as YAML');
  });
});
