/**
 * The policies in one YAML file. Pure: text in; policies, and at most one message for each document at fault, out.
 *
 * A message names the file, the document, the field and the cure, because its reader has only the file before him.
 */
import { createHash } from 'node:crypto';
import { didYouMean } from '@couchestor/shared/did-you-mean';
import {
  type StoragePolicy,
  storagePolicyApiVersion,
  storagePolicySchema,
  storagePolicySpecSchema,
} from '@couchestor/shared/storage-policy';
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import type { PolicyProblem } from '../domain/policy-status.ts';
import type { PolicySet, SourcedPolicy } from './policy-source.ts';

/** Names that an earlier operator accepted. */
const formerNames: Readonly<Record<string, string>> = { nvmePoolSelector: 'hotPoolSelector', sataPoolSelector: 'coldPoolSelector' };

export function parsePolicyFile(path: string, text: string): PolicySet {
  // The line counter puts line and column into the parser's messages.
  const documents = parseAllDocuments(text, { lineCounter: new LineCounter() });
  const policies: SourcedPolicy[] = [];
  const problems: PolicyProblem[] = [];
  for (const [index, document] of [...documents].entries()) {
    const place = documents.length > 1 ? `${path}, document ${index + 1}` : path;
    const result = parseDocument(document as Document);
    if (result === undefined) {
      continue;
    }
    if ('policy' in result) {
      policies.push({ policy: result.policy, source: path });
    } else {
      problems.push({ name: result.name ?? path, source: path, message: `${place}: ${result.message}` });
    }
  }
  return { policies, problems };
}

type Parsed = { readonly policy: StoragePolicy } | { readonly name: string | undefined; readonly message: string };

/** Undefined for a document that holds nothing. */
function parseDocument(document: Document): Parsed | undefined {
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    return {
      name: undefined,
      message: `not readable as YAML: ${syntax.message.split('\n')[0]?.replace(/:$/, '')}. Correct the indentation or quoting there.`,
    };
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    return { name: undefined, message: `not readable as YAML: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (value === null) {
    return undefined;
  }
  const name = nameOf(value);
  const checked = storagePolicySchema.safeParse(value);
  if (!checked.success) {
    const problems = checked.error.issues.map(describeIssue);
    return { name, message: `${name === undefined ? '' : `policy ${name}: `}${problems.join('; ')}` };
  }
  const { metadata, spec } = checked.data;
  return { policy: { name: metadata.name, uid: `file:${metadata.name}`, generation: generationOf(spec), spec } };
}

/** Changes with the spec. 48 bits of a hash: exact as a number, and two specs of one policy never share it in practice. */
function generationOf(spec: StoragePolicy['spec']): number {
  return Number.parseInt(
    createHash('sha256')
      .update(JSON.stringify(sorted(spec)))
      .digest('hex')
      .slice(0, 12),
    16,
  );
}

/** The same value whatever the order in which its keys were written. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function nameOf(value: unknown): string | undefined {
  const name = (value as { metadata?: { name?: unknown } } | null)?.metadata?.name;
  return typeof name === 'string' && name !== '' ? name.slice(0, 253) : undefined;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const field = issue.path.join('.') || '(the document)';
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...issue.path, key].join('.')} is no field${hintFor(key, issue.path)}`).join('; ');
  }
  if (field === 'apiVersion') {
    return `apiVersion must be ${storagePolicyApiVersion}`;
  }
  if (field === 'kind') {
    return 'kind must be StoragePolicy; this folder takes nothing else';
  }
  if (field === '(the document)') {
    return `must be a StoragePolicy with apiVersion, kind, metadata and spec (${issue.message})`;
  }
  return `${field}: ${issue.message}`;
}

function hintFor(key: string, path: readonly PropertyKey[]): string {
  const meant = formerNames[key] ?? (path.join('.') === 'spec' ? didYouMean(key, Object.keys(storagePolicySpecSchema.shape)) : undefined);
  return meant === undefined ? ': remove it' : `: did you mean ${meant}?`;
}
