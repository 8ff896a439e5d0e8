/** From the custom resources as they were read to the policies that decide, and what is wrong with the others. Pure. */
import { judgeErasureCodingPolicy, judgeStoragePolicy } from '@couchestor/shared/crds/judge';
import type { RawErasureCodingPolicy, RawStoragePolicy } from '@couchestor/shared/crds/resources';
import type { EcPolicy } from '../../domain/ec-policy-status.ts';
import type { PolicyProblem } from '../../domain/policy-status.ts';
import type { PolicySet, SourcedPolicy } from '../policy-source.ts';

/** Objects by key, and the messages for those that could not be read as such. */
export interface Stored<T> {
  readonly store: ReadonlyMap<string, T>;
  readonly invalid: ReadonlyMap<string, string>;
}

export function policySetOf(o: { storage: Stored<RawStoragePolicy>; ec: Stored<RawErasureCodingPolicy> }): PolicySet {
  const policies: SourcedPolicy[] = [];
  const problems: PolicyProblem[] = [];
  for (const { metadata, spec } of present(o.storage)) {
    const { name, uid, generation = 0 } = metadata;
    const source = storagePolicySource(name);
    const judged = judgeStoragePolicy(spec ?? {});
    if ('spec' in judged) {
      policies.push({ policy: { name, uid, generation, spec: judged.spec }, source });
    } else {
      problems.push({ name, source, message: messageOf(source, judged.problems), object: { uid, generation } });
    }
  }
  const ec = ecPoliciesOf(o.ec);
  problems.push(
    ...unreadable(o.storage, 'storagepolicy'),
    ...ec.flatMap(({ name, problems: found }): PolicyProblem[] => {
      const source = sourceOf('erasurecodingpolicy', name);
      return found.length === 0 ? [] : [{ name, source, kind: 'ErasureCodingPolicy', message: messageOf(source, found) }];
    }),
    ...unreadable(o.ec, 'erasurecodingpolicy').map((problem): PolicyProblem => ({ ...problem, kind: 'ErasureCodingPolicy' })),
  );
  return {
    policies,
    ecPolicies: ec.flatMap(({ name, uid, spec }) =>
      spec === undefined ? [] : [{ name, uid, source: sourceOf('erasurecodingpolicy', name), spec }],
    ),
    problems,
  };
}

export function ecPoliciesOf(ec: Pick<Stored<RawErasureCodingPolicy>, 'store'>): EcPolicy[] {
  return present(ec).map(({ metadata: { name, uid, generation = 0 }, spec, status, acceptedSpecProblem }) => {
    const accepted = status?.acceptedSpec;
    const judged = judgeErasureCodingPolicy(spec ?? {}, accepted);
    const problems = 'spec' in judged ? [] : [...judged.problems];
    if (acceptedSpecProblem !== undefined) {
      // Nobody can tell whether the spec is still the one that stripes are written by.
      problems.push(
        `status.acceptedSpec cannot be read (${acceptedSpecProblem}): run the version of CoucheStor that wrote it, or make another policy`,
      );
    }
    return { name, uid, generation, accepted, spec: 'spec' in judged && problems.length === 0 ? judged.spec : undefined, problems };
  });
}

/** In the order of their names. One that is being deleted is gone: somebody has asked for just that, and waits for a finalizer of others. */
function present<T extends { metadata: { name: string; deletionTimestamp?: string | undefined } }>({
  store,
}: Pick<Stored<T>, 'store'>): T[] {
  return [...store.values()]
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
}

function unreadable({ invalid }: Stored<unknown>, plural: string): PolicyProblem[] {
  return [...invalid].map(([name, message]) => ({
    name,
    source: sourceOf(plural, name),
    message: `${sourceOf(plural, name)}: ${message}`,
  }));
}

function messageOf(source: string, problems: readonly string[]): string {
  return `${source}: ${problems.join('; ')}`.slice(0, 2_000);
}

/** Where a StoragePolicy of this name comes from. */
export function storagePolicySource(name: string): string {
  return sourceOf('storagepolicy', name);
}

/** As kubectl takes it. */
function sourceOf(kind: string, name: string): string {
  return `${kind}/${name}`;
}
