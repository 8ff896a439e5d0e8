/** deploy/crds: the CustomResourceDefinitions as kubectl takes them. */
import { crdOf, type PolicyKind, policyKinds } from '@couchestor/shared/crds/crd';
import { stringify } from 'yaml';

/** By their path from the root of the repository. */
export function crdFiles(): [string, string][] {
  return policyKinds.map((kind) => [crdPath(kind), crdYaml(kind)]);
}

export function crdPath({ kind }: PolicyKind): string {
  return `deploy/crds/${kind.toLowerCase()}.yaml`;
}

/** kubectl reads YAML 1.1, in which more words need quotes. */
function crdYaml(kind: PolicyKind): string {
  const notice = '# Generated from the schemas in shared/src by `npm run docs`. Change the source, not this file.';
  return `${notice}\n${stringify(crdOf(kind), { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' })}`;
}
