import { describe, expect, it } from 'vitest';
import { findEcPolicy } from './find-ec-policy.ts';

const policy = (name: string, spec: string): string =>
  `apiVersion: storage.billyronks.io/v1\nkind: ErasureCodingPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

describe('one ErasureCodingPolicy among YAML texts', () => {
  it('is found by its name, whatever else the files hold', () => {
    const texts = new Map([
      ['broken.yaml', 'a: [\n'],
      ['all.yaml', `${policy('other', '{}')}---\n---\n${policy('wide', '{dataShards: 8, parityShards: 3}')}`],
    ]);
    expect(findEcPolicy(texts, 'wide')).toMatchObject({ spec: { dataShards: 8, parityShards: 3 } });
    expect(findEcPolicy(texts, 'none')).toBeUndefined();
  });

  it('is a problem where it is not valid, and where two have its name', () => {
    const bad = new Map([['bad.yaml', policy('wide', '{dataShards: 0}')]]);
    expect(findEcPolicy(bad, 'wide')).toEqual({ problems: [expect.stringMatching(/^bad\.yaml: .*dataShards/)] });
    const twice = new Map([
      ['a.yaml', policy('wide', '{}')],
      ['b.yaml', policy('wide', '{}')],
    ]);
    expect(findEcPolicy(twice, 'wide')).toEqual({ problems: ['a.yaml and b.yaml: the name wide is used 2 times'] });
  });
});
