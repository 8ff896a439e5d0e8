/** The CustomResourceDefinitions, from the zod schemas and the rules of each kind. `npm run docs` writes them to deploy/crds. */
import type { z } from 'zod';
import {
  type ErasureCodingPolicySpec,
  erasureCodingPolicySpecSchema,
  erasureCodingPolicyStatusSchema,
  erasureCodingRules,
  unchangeableFields,
  unchangeableMessage,
} from '../erasure-coding-policy.ts';
import { type StoragePolicySpec, storagePolicyRules, storagePolicySpecSchema, storagePolicyStatusSchema } from '../storage-policy.ts';
import { apiGroup } from './fields.ts';
import type { SpecRule } from './rule.ts';
import { type StructuralSchema, structuralSchemaOf, withoutDefaults } from './structural.ts';

interface PrinterColumn {
  readonly name: string;
  readonly type: 'integer' | 'number' | 'string' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
}

export interface PolicyKind {
  readonly kind: 'StoragePolicy' | 'ErasureCodingPolicy';
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly rules: readonly { readonly rule: string; readonly message: string }[];
  readonly columns: readonly PrinterColumn[];
}

const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'How long the policy has been there.',
};

export const policyKinds: readonly PolicyKind[] = [
  {
    kind: 'StoragePolicy',
    plural: 'storagepolicies',
    shortNames: ['sp', 'spolicy'],
    description: 'A StoragePolicy says which volumes are moved between hot, warm and cold pools, and at which IOPS.',
    spec: storagePolicySpecSchema,
    status: storagePolicyStatusSchema,
    rules: storagePolicyRules.map(celOf<StoragePolicySpec>),
    columns: [
      { name: 'High IOPS', type: 'integer', jsonPath: '.spec.highWatermarkIOPS', description: 'Hot from here on.' },
      { name: 'Low IOPS', type: 'integer', jsonPath: '.spec.lowWatermarkIOPS', description: 'Cold up to here.' },
      { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Pending, Active, Disabled or Error.' },
      { name: 'Watched', type: 'integer', jsonPath: '.status.watchedVolumes', description: 'Volumes that the policy is for.' },
      { name: 'Migrations', type: 'integer', jsonPath: '.status.totalMigrations', description: 'Moves that ended.' },
      age,
      { name: 'Class', type: 'string', jsonPath: '.spec.storageClassName', description: 'StorageClass of its volumes.', priority: 1 },
      { name: 'Warm IOPS', type: 'integer', jsonPath: '.spec.warmWatermarkIOPS', description: 'Warm around here.', priority: 1 },
      { name: 'Failed', type: 'integer', jsonPath: '.status.failedMigrations', description: 'Moves that failed.', priority: 1 },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
        description: 'Why it is ready or not.',
        priority: 1,
      },
    ],
  },
  {
    kind: 'ErasureCodingPolicy',
    plural: 'erasurecodingpolicies',
    shortNames: ['ecp'],
    description: 'An ErasureCodingPolicy says how cold volumes are cut into data and parity shards, and how their journal is kept.',
    spec: erasureCodingPolicySpecSchema,
    status: erasureCodingPolicyStatusSchema,
    rules: [...erasureCodingRules.map(celOf<ErasureCodingPolicySpec>), ...unchangeableFields.map(transitionOf)],
    columns: [
      { name: 'Data Shards', type: 'integer', jsonPath: '.spec.dataShards', description: 'k.' },
      { name: 'Parity Shards', type: 'integer', jsonPath: '.spec.parityShards', description: 'm: this many may be lost.' },
      { name: 'Stripe Size', type: 'integer', jsonPath: '.spec.stripeSizeBytes', description: 'User data of a full stripe, in bytes.' },
      { name: 'Algorithm', type: 'string', jsonPath: '.spec.algorithm', description: 'How parity is computed.' },
      { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Pending, Ready, Invalid or Active.' },
      age,
      { name: 'Codec', type: 'string', jsonPath: '.spec.codec', description: 'Which code computes it.', priority: 1 },
      { name: 'Volumes', type: 'integer', jsonPath: '.status.activeVolumes', description: 'Volumes that use it.', priority: 1 },
      { name: 'Degraded', type: 'integer', jsonPath: '.status.degradedStripes', description: 'Stripes that lack shards.', priority: 1 },
      { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'What is wrong.', priority: 1 },
    ],
  },
];

export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly scope: 'Cluster';
    readonly names: Readonly<Record<string, string | readonly string[]>>;
    readonly versions: readonly {
      readonly name: string;
      readonly served: true;
      readonly storage: true;
      readonly subresources: { readonly status: Record<string, never> };
      readonly additionalPrinterColumns: readonly PrinterColumn[];
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
}

export function crdOf(of: PolicyKind): CustomResourceDefinition {
  const { kind, plural, shortNames } = of;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${apiGroup}`, labels: { 'app.kubernetes.io/part-of': 'couchestor' } },
    spec: {
      group: apiGroup,
      scope: 'Cluster',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames, categories: ['couchestor'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: of.columns,
          schema: { openAPIV3Schema: objectSchemaOf(of) },
        },
      ],
    },
  };
}

function objectSchemaOf({ description, spec, status, rules }: PolicyKind): StructuralSchema {
  return {
    type: 'object',
    description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: 'Group and version of the schema: storage.billyronks.io/v1.' },
      kind: { type: 'string', description: 'Kind of the object.' },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted.', ...structuralSchemaOf(spec), 'x-kubernetes-validations': rules },
      status: { description: 'What was found. Written by the operator alone.', ...withoutDefaults(structuralSchemaOf(status)) },
    },
  };
}

/** Older servers do not know `fieldPath`, so that the message names the field. */
function celOf<S>({ path, rule, message }: SpecRule<S>): { rule: string; message: string } {
  return { rule, message: `${path} ${message}` };
}

/** A transition rule: the API server evaluates it on updates alone. */
function transitionOf(field: string): { rule: string; message: string } {
  return { rule: `self.${field} == oldSelf.${field}`, message: `${field} ${unchangeableMessage}` };
}
