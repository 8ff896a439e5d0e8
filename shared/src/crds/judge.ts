/**
 * Judges a document or a spec as its writer would want it judged: every fault in one go, each by its field and with the cure. Used for
 * policies from files and for custom resources alike, because a server without CEL, or with an older definition, lets faults through.
 */
import { z } from 'zod';
import { didYouMean } from '../did-you-mean.ts';
import {
  type ErasureCodingPolicySpec,
  erasureCodingPolicySchema,
  erasureCodingPolicySpecSchema,
  unchangeableProblems,
} from '../erasure-coding-policy.ts';
import { type StoragePolicySpec, storagePolicySchema, storagePolicySpecSchema } from '../storage-policy.ts';
import { apiVersion } from './fields.ts';

export type Judged<T> = { readonly spec: T } | { readonly problems: readonly string[] };

/** Names that an earlier operator accepted. */
const formerNames: Readonly<Record<string, string>> = { nvmePoolSelector: 'hotPoolSelector', sataPoolSelector: 'coldPoolSelector' };

const kinds = ['StoragePolicy', 'ErasureCodingPolicy'] as const;

/** Of a custom resource: `raw` is its `spec`. */
export function judgeStoragePolicy(raw: unknown): Judged<StoragePolicySpec> {
  const checked = storagePolicySpecSchema.safeParse(raw);
  return checked.success ? { spec: checked.data } : { problems: problemsOf(checked.error, storagePolicySpecSchema, ['spec']) };
}

/**
 * Of a custom resource: `raw` is its `spec`.
 * @param accepted `status.acceptedSpec`: what stripes are written by already.
 */
export function judgeErasureCodingPolicy(raw: unknown, accepted?: ErasureCodingPolicySpec): Judged<ErasureCodingPolicySpec> {
  const checked = erasureCodingPolicySpecSchema.safeParse(raw);
  if (!checked.success) {
    return { problems: problemsOf(checked.error, erasureCodingPolicySpecSchema, ['spec']) };
  }
  const problems = accepted === undefined ? [] : unchangeableProblems(checked.data, accepted);
  return problems.length === 0 ? { spec: checked.data } : { problems };
}

export type JudgedDocument =
  | { readonly kind: 'StoragePolicy'; readonly name: string; readonly spec: StoragePolicySpec }
  | { readonly kind: 'ErasureCodingPolicy'; readonly name: string; readonly spec: ErasureCodingPolicySpec }
  | { readonly kind: 'neither'; readonly problems: readonly string[] };

/** Of a whole document; its kind tells what it has to be. */
export function judgeDocument(document: unknown): JudgedDocument {
  if (kindOf(document) === 'ErasureCodingPolicy') {
    const checked = erasureCodingPolicySchema.safeParse(document);
    return checked.success
      ? { kind: 'ErasureCodingPolicy', name: checked.data.metadata.name, spec: checked.data.spec }
      : { kind: 'neither', problems: problemsOf(checked.error, erasureCodingPolicySchema, []) };
  }
  const checked = storagePolicySchema.safeParse(document);
  return checked.success
    ? { kind: 'StoragePolicy', name: checked.data.metadata.name, spec: checked.data.spec }
    : { kind: 'neither', problems: problemsOf(checked.error, storagePolicySchema, []) };
}

/** Of a document that may be anything. */
export function kindOf(document: unknown): (typeof kinds)[number] | undefined {
  const kind = (document as { kind?: unknown } | null)?.kind;
  return kinds.find((known) => known === kind);
}

/** @param below where the schema stands in the document, for messages that name the whole path. */
function problemsOf(error: z.ZodError, schema: z.ZodType, below: readonly string[]): string[] {
  return error.issues.map((issue) => {
    const path = [...below, ...issue.path];
    const field = path.join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${[...path, key].join('.')} is no field${hintFor(key, fieldsAt(schema, issue.path))}`).join('; ');
    }
    switch (field) {
      case '':
        return `(the document): must be a StoragePolicy or an ErasureCodingPolicy with apiVersion, kind, metadata and spec (${issue.message})`;
      case 'apiVersion':
        return `apiVersion must be ${apiVersion}`;
      case 'kind':
        return `kind must be ${kinds.join(' or ')}; nothing else is taken here`;
      default:
        return `${field}: ${issue.message}`;
    }
  });
}

function hintFor(key: string, fields: readonly string[]): string {
  const former = formerNames[key];
  const meant = former !== undefined && fields.includes(former) ? former : didYouMean(key, fields);
  return meant === undefined ? ': remove it' : `: did you mean ${meant}?`;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** The fields that the object at `path` may have. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let node: JsonSchema | undefined = z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0' }) as JsonSchema;
  for (const key of path) {
    node = typeof key === 'number' ? node?.items : node?.properties?.[String(key)];
  }
  return Object.keys(node?.properties ?? {});
}
