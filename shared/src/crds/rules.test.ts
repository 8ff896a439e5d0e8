/** The rule strings of the definitions, evaluated as CEL, against the functions that stand in for them where a server has no CEL. */
import { readFileSync } from 'node:fs';
import { celEnv, parse, plan } from '@bufbuild/cel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { type ErasureCodingPolicySpec, erasureCodingPolicySpecSchema, erasureCodingProblems } from '../erasure-coding-policy.ts';
import { type StoragePolicySpec, storagePolicyProblems, storagePolicySpecSchema } from '../storage-policy.ts';
import type { CustomResourceDefinition } from './crd.ts';

type CelValue = string | boolean | bigint | number | Map<string, CelValue> | CelValue[];

interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly holds: (self: unknown, oldSelf: unknown) => boolean;
}

const storageRules = rulesOf('storagepolicy');
const erasureCodingRules = rulesOf('erasurecodingpolicy');

const iops = fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 100_000_000 }));
const storageSpec: fc.Arbitrary<StoragePolicySpec> = fc
  .record({ highWatermarkIOPS: iops, warmWatermarkIOPS: iops, lowWatermarkIOPS: iops })
  .map((watermarks) => ({ ...storagePolicyDefaults(), ...watermarks }));

const shards = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 22, max: 26 }), fc.integer({ min: 1, max: 254 }));
const stripeSize = fc.oneof(fc.constantFrom(65_535, 65_536, 1_048_576, 67_108_864, 67_108_865), fc.integer({ min: 1, max: 2 ** 27 }));
const erasureCodingSpec: fc.Arbitrary<ErasureCodingPolicySpec> = fc
  .record({
    dataShards: shards,
    parityShards: shards,
    stripeSizeBytes: stripeSize,
    algorithm: fc.constantFrom('ReedSolomon' as const, 'LRC' as const),
    codec: fc.constantFrom('isal-compatible' as const, 'ronomon' as const),
    minHealthyShards: fc.option(fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 255 })), { nil: undefined }),
    percent: fc.constantFrom(0, 1, 80, 100, 101),
    journalSizeBytes: fc.oneof(stripeSize, fc.integer({ min: 1_048_576, max: 2 ** 52 })),
  })
  .map(({ percent, journalSizeBytes, minHealthyShards, ...shape }) => ({
    ...erasureCodingPolicySpecSchema.parse({}),
    ...shape,
    ...(minHealthyShards === undefined ? {} : { minHealthyShards }),
    journalConfig: { ...erasureCodingPolicySpecSchema.parse({}).journalConfig, destageThresholdPercent: percent, journalSizeBytes },
  }));

describe('the rules of the definitions', () => {
  it('refuse a StoragePolicy just where the function does, with the same words', () => {
    fc.assert(
      fc.property(storageSpec, (spec) => {
        expectSame(storagePolicyProblems(spec), breached(storageRules, spec, undefined));
      }),
      { numRuns: 500 },
    );
  });

  it('refuse an ErasureCodingPolicy just where the function does, with the same words', () => {
    fc.assert(
      fc.property(erasureCodingSpec, (spec) => {
        expectSame(erasureCodingProblems(spec), breached(erasureCodingRules, spec, undefined));
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuse a change of an ErasureCodingPolicy just where the function does', () => {
    // Half of the fields stay, so that every set of changes comes up.
    const change = fc.tuple(erasureCodingSpec, erasureCodingSpec, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }));
    const fields = ['dataShards', 'parityShards', 'stripeSizeBytes', 'algorithm', 'codec'] as const;
    fc.assert(
      fc.property(change, ([before, other, taken]) => {
        const after = { ...before, ...Object.fromEntries(fields.flatMap((field, index) => (taken[index] ? [[field, other[field]]] : []))) };
        expectSame(erasureCodingProblems(after, before), breached(erasureCodingRules, after, before));
      }),
      { numRuns: 500 },
    );
  });

  it('each refuse something, and let the defaults pass', () => {
    const storageSeen = new Set<string>();
    const erasureCodingSeen = new Set<string>();
    for (const spec of fc.sample(storageSpec, 500)) {
      for (const { rule } of breached(storageRules, spec, undefined)) {
        storageSeen.add(rule);
      }
    }
    const samples = fc.sample(erasureCodingSpec, 500);
    for (const [index, spec] of samples.entries()) {
      for (const { rule } of breached(erasureCodingRules, spec, samples[index + 1] ?? spec)) {
        erasureCodingSeen.add(rule);
      }
    }
    expect(storageSeen.size).toBe(storageRules.length);
    expect(erasureCodingSeen.size).toBe(erasureCodingRules.length);
    expect(breached(storageRules, storagePolicyDefaults(), undefined)).toEqual([]);
    const defaults = erasureCodingPolicySpecSchema.parse({});
    expect(breached(erasureCodingRules, defaults, defaults)).toEqual([]);
  });
});

function storagePolicyDefaults(): StoragePolicySpec {
  return storagePolicySpecSchema.parse({});
}

/** From the very files that are applied. */
function rulesOf(file: string): Rule[] {
  const text = readFileSync(new URL(`../../../deploy/crds/${file}.yaml`, import.meta.url), 'utf8');
  const definition = parseYaml(text) as CustomResourceDefinition;
  const rules = definition.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec']?.['x-kubernetes-validations'] ?? [];
  return rules.map(({ rule, message }) => {
    const evaluate = plan(celEnv(), parse(rule));
    return {
      rule,
      message,
      holds: (self, oldSelf) => {
        const result = evaluate({ self: celOf(self), ...(oldSelf === undefined ? {} : { oldSelf: celOf(oldSelf) }) });
        expect(typeof result, `${rule} gave ${String(result)}`).toBe('boolean');
        return result === true;
      },
    };
  });
}

/** A transition rule is evaluated on updates alone, as the API server does. */
function breached(rules: readonly Rule[], self: unknown, oldSelf: unknown): Rule[] {
  return rules.filter(({ rule, holds }) => (oldSelf !== undefined || !rule.includes('oldSelf')) && !holds(self, oldSelf));
}

function expectSame(problems: readonly string[], rules: readonly Rule[]): void {
  // "spec.field: words (values)" against "field words".
  const words = problems.map((problem) => problem.replace(/^spec\.([\w.]+): /, '$1 '));
  expect(words).toHaveLength(rules.length);
  for (const [index, { message }] of rules.entries()) {
    expect(words[index]?.startsWith(message), `${words[index]} / ${message}`).toBe(true);
  }
}

/** CEL's integers are 64-bit: a number of JavaScript would be a double. */
function celOf(value: unknown): CelValue {
  if (Array.isArray(value)) {
    return value.map(celOf);
  }
  switch (typeof value) {
    case 'number':
      return BigInt(value);
    case 'object':
      return new Map(Object.entries(value ?? {}).map(([key, inner]) => [key, celOf(inner)]));
    default:
      return value as string | boolean;
  }
}
