/**
 * The policies in one YAML file. Pure: text in; policies, and at most one message for each document at fault, out.
 *
 * A message names the file, the document, the field and the cure, because its reader has only the file before him.
 */
import { createHash } from 'node:crypto';
import { judgeDocument, kindOf } from '@couchestor/shared/crds/judge';
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import type { PolicyProblem } from '../domain/policy-status.ts';
import type { PolicySet, SourcedEcPolicy, SourcedPolicy } from './policy-source.ts';

export function parsePolicyFile(path: string, text: string): PolicySet {
  // The line counter puts line and column into the parser's messages.
  const documents = parseAllDocuments(text, { lineCounter: new LineCounter() });
  const policies: SourcedPolicy[] = [];
  const ecPolicies: SourcedEcPolicy[] = [];
  const problems: PolicyProblem[] = [];
  for (const [index, document] of [...documents].entries()) {
    const place = documents.length > 1 ? `${path}, document ${index + 1}` : path;
    const result = parseDocument(document as Document);
    if (result === undefined) {
      continue;
    }
    if ('policy' in result) {
      policies.push({ policy: result.policy, source: path });
    } else if ('ecPolicy' in result) {
      ecPolicies.push({ ...result.ecPolicy, source: path });
    } else {
      const { name, kind, message } = result;
      problems.push({ name: name ?? path, source: path, message: `${place}: ${message}`, ...(kind === undefined ? {} : { kind }) });
    }
  }
  return { policies, ecPolicies, problems };
}

type Parsed =
  | { readonly policy: StoragePolicy }
  | { readonly ecPolicy: Omit<SourcedEcPolicy, 'source'> }
  | { readonly name: string | undefined; readonly kind?: PolicyProblem['kind']; readonly message: string };

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
  return value === null ? undefined : parseValue(value);
}

function parseValue(value: unknown): Parsed {
  const judged = judgeDocument(value);
  switch (judged.kind) {
    case 'StoragePolicy': {
      const { name, spec } = judged;
      return { policy: { name, uid: `file:${name}`, generation: generationOf(spec), spec } };
    }
    case 'ErasureCodingPolicy':
      return { ecPolicy: { name: judged.name, spec: judged.spec } };
    default: {
      const name = nameOf(value);
      const message = `${name === undefined ? '' : `policy ${name}: `}${judged.problems.join('; ')}`;
      return kindOf(value) === 'ErasureCodingPolicy' ? { name, kind: 'ErasureCodingPolicy', message } : { name, message };
    }
  }
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
