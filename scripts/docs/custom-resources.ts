/** docs/custom-resources.md: every field of both kinds, read from the very definitions in deploy/crds, with their rules and columns. */
import { crdOf, type PolicyKind, policyKinds } from '@couchestor/shared/crds/crd';
import type { StructuralSchema } from '@couchestor/shared/crds/structural';
import { erasureCodingPolicyConditions } from '@couchestor/shared/erasure-coding-policy';
import { storagePolicyConditions } from '@couchestor/shared/storage-policy';
import { crdPath } from './crds.ts';
import { code, generatedPage, table } from './markdown.ts';

const conditionsOf: Readonly<Record<PolicyKind['kind'], Readonly<Record<string, string>>>> = {
  StoragePolicy: storagePolicyConditions,
  ErasureCodingPolicy: erasureCodingPolicyConditions,
};

const selectorNote =
  'A label selector has `matchLabels` and `matchExpressions` (`In`, `NotIn`, `Exists`, `DoesNotExist`), all of which must hold, as in Kubernetes. A tier without a selector is never a destination.';

export function customResourcesPage(): string {
  return generatedPage({
    title: 'Custom resources',
    from: 'the schemas in shared/src',
    intro: [
      'Both kinds are cluster-scoped, of group and version `storage.billyronks.io/v1`, and have a status of their own. One schema gives the definitions below `deploy/crds/`, checks the policies that are read from files, and checks again what the API server let through. `kubectl explain storagepolicy.spec` shows the same words; `kubectl get couchestor` lists both kinds.',
      'The API server fills in defaults and drops fields that it does not know; `kubectl apply` refuses those with a message. In a policy file they are errors. The rules are refused by API servers with CEL (Kubernetes 1.25 and newer) when a policy is applied. On older ones the operator refuses them: the policy is in phase Error or Invalid, says why, and nothing is done by it. kubectl sends the rules to such a server only when it is told not to validate:',
      '```\nkubectl apply --validate=false -f deploy/crds/\n```',
      'Examples: [storagepolicy-examples.yaml](../deploy/examples/storagepolicy-examples.yaml) and [erasurecodingpolicy-examples.yaml](../deploy/examples/erasurecodingpolicy-examples.yaml).',
      'Durations are digits and a unit (`s`, `m`, `h`, `d`), repeated: `90s`, `30m`, `1d12h`. A bare number at the end counts as seconds; the sum must be above zero.',
      selectorNote,
    ].join('\n\n'),
    sections: policyKinds.map(kindSection),
  });
}

function kindSection(of: PolicyKind): string {
  const definition = crdOf(of);
  const [version] = definition.spec.versions;
  const { spec = {}, status = {} } = version?.schema.openAPIV3Schema.properties ?? {};
  const names = [of.plural, of.kind.toLowerCase(), ...of.shortNames].map(code).join(', ');
  return [
    `## ${of.kind}`,
    `${of.description} kubectl knows it as ${names}. Definition: [${crdPath(of)}](../${crdPath(of)}).`,
    `### ${of.kind} spec`,
    table(['Field', 'Value', 'Default', 'Meaning'], fieldRows(spec)),
    `### ${of.kind} rules`,
    table(
      ['What must hold', 'Rule'],
      of.rules.map(({ rule, message }) => [message, code(rule)]),
    ),
    `### ${of.kind} status`,
    'Written by the operator alone, and only when it changes.',
    table(
      ['Field', 'Value', 'Meaning'],
      fieldRows(status).map(([field = '', value = '', , meaning = '']) => [field, value, meaning]),
    ),
    "Conditions have the fields of Kubernetes' own, and the generation of the spec that they were found on. Any but `Ready` is True where there is something to be done.",
    table(
      ['Condition', 'While it is True'],
      Object.entries(conditionsOf[of.kind]).map(([type, meaning]) => [code(type), meaning]),
    ),
    `### ${of.kind} columns`,
    table(
      ['Column', 'Field', 'Meaning'],
      of.columns.map(({ name, jsonPath, description, priority = 0 }) => [
        name,
        code(jsonPath),
        priority > 0 ? `${description} Only with ${code('-o wide')}.` : description,
      ]),
    ),
  ].join('\n\n');
}

/** Of an object's fields and of those below them, in their order. */
function fieldRows(schema: StructuralSchema, below = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${below}${name}`;
    const row = [code(path), valueText(field), defaultOf(field), field.description ?? ''];
    if (isSelector(field) || name === 'acceptedSpec') {
      return [row];
    }
    return [row, ...fieldRows(field, `${path}.`), ...(field.items === undefined ? [] : fieldRows(field.items, `${path}[].`))];
  });
}

function isSelector({ properties = {} }: StructuralSchema): boolean {
  return 'matchLabels' in properties;
}

function defaultOf(field: StructuralSchema): string {
  if (field.default === undefined) {
    return '-';
  }
  return typeof field.default === 'object' ? 'by field' : code(String(field.default));
}

function valueText(field: StructuralSchema): string {
  if (isSelector(field)) {
    return 'label selector';
  }
  if (field.enum !== undefined) {
    return field.enum.map((value) => code(String(value))).join(', ');
  }
  switch (field.type) {
    case 'array':
      return `list${field.maxItems === undefined ? '' : `, at most ${field.maxItems}`}`;
    case 'string':
      return textOf(field);
    case 'integer':
    case 'number':
      return [field.type, ...boundsOf(field)].join(' ');
    default:
      return field.type ?? 'any';
  }
}

function textOf({ format, pattern, maxLength }: StructuralSchema): string {
  if (format === 'date-time') {
    return 'moment';
  }
  if (pattern !== undefined) {
    return pattern.includes('smhd') ? 'duration' : 'DNS name';
  }
  return `text${maxLength === undefined ? '' : `, at most ${maxLength} characters`}`;
}

function boundsOf({ minimum, maximum }: StructuralSchema): string[] {
  return [...(minimum === undefined ? [] : [`from ${minimum}`]), ...(maximum === undefined ? [] : [`to ${maximum}`])];
}
