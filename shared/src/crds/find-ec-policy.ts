/** One ErasureCodingPolicy by its name among YAML texts. Pure. */
import { parseAllDocuments } from 'yaml';
import type { ErasureCodingPolicySpec } from '../erasure-coding-policy.ts';
import { type Judged, judgeDocument, kindOf } from './judge.ts';

/**
 * @param texts by where they were read
 * @returns undefined where there is none. Of several of one name none can be meant: that is a problem, as is one that is not valid.
 */
export function findEcPolicy(texts: ReadonlyMap<string, string>, name: string): Judged<ErasureCodingPolicySpec> | undefined {
  const found = [...texts].flatMap(([source, text]) =>
    documentsOf(text)
      .filter((value) => kindOf(value) === 'ErasureCodingPolicy' && nameOf(value) === name)
      .map((value) => ({ source, value })),
  );
  const [first] = found;
  if (first === undefined) {
    return undefined;
  }
  if (found.length > 1) {
    return { problems: [`${found.map(({ source }) => source).join(' and ')}: the name ${name} is used ${found.length} times`] };
  }
  const judged = judgeDocument(first.value);
  return judged.kind === 'ErasureCodingPolicy'
    ? { spec: judged.spec }
    : { problems: judged.kind === 'neither' ? judged.problems.map((problem) => `${first.source}: ${problem}`) : [] };
}

/** Those that can be read: what is wrong with others is told by who reads all policies. */
function documentsOf(text: string): unknown[] {
  return [...parseAllDocuments(text)].flatMap((document) => {
    try {
      return 'errors' in document && document.errors.length === 0 ? [document.toJS() as unknown] : [];
    } catch {
      return [];
    }
  });
}

function nameOf(value: unknown): unknown {
  return (value as { metadata?: { name?: unknown } | null }).metadata?.name;
}
