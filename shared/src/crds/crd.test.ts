import { parse } from '@bufbuild/cel';
import { describe, expect, it } from 'vitest';
import { crdOf, policyKinds } from './crd.ts';
import type { StructuralSchema } from './structural.ts';

type Expr = ReturnType<typeof parse>['expr'];

interface Node {
  readonly path: string;
  readonly schema: StructuralSchema;
}

const kinds = policyKinds.map((of) => {
  const [version] = crdOf(of).spec.versions;
  const schema = version?.schema.openAPIV3Schema ?? {};
  return { kind: of.kind, of, schema, nodes: nodesBelow({ path: of.kind, schema }) };
});

const structuralKeys = new Set([
  ...['type', 'description', 'format', 'default', 'enum', 'pattern', 'minimum', 'maximum', 'minLength', 'maxLength', 'maxItems'],
  ...['maxProperties', 'required', 'properties', 'additionalProperties', 'items'],
  ...['x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
]);

/** All of CEL that the rules may use: nothing of it costs more on a longer value. */
const functions = new Set(['_&&_', '_||_', '!_', '_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_', '_+_', '_*_']);

describe.each(kinds)('the definition of $kind', ({ kind, of, schema, nodes }) => {
  it('is a structural schema: every node has a type and nothing that the API server refuses', () => {
    expect(nodes.length).toBeGreaterThan(30);
    const wrong = nodes.filter(
      ({ schema: node }) =>
        node.type === undefined ||
        Object.keys(node).some((key) => !structuralKeys.has(key)) ||
        typeof node.additionalProperties === 'boolean' ||
        (node.additionalProperties !== undefined && node.properties !== undefined),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('has a limit on every text, list and map', () => {
    const unlimited = nodes.filter(({ path, schema: node }) => {
      switch (node.type) {
        case 'string':
          return node.enum === undefined && node.maxLength === undefined && !/\.(apiVersion|kind)$/.test(path);
        case 'array':
          return node.maxItems === undefined;
        default:
          return node.additionalProperties !== undefined && node.maxProperties === undefined;
      }
    });
    expect(unlimited.map(({ path }) => path)).toEqual([]);
  });

  it('has a lower limit for every number, and an upper one in the spec', () => {
    const numbers = nodes.filter(({ schema: node }) => node.type === 'integer' || node.type === 'number');
    expect(numbers.filter(({ schema: node }) => node.minimum === undefined)).toEqual([]);
    expect(numbers.filter(({ path, schema: node }) => path.includes('.spec.') && node.maximum === undefined)).toEqual([]);
  });

  it('explains every field', () => {
    const named = nodes.filter(({ path }) => !/\[\]$|\{\}$|\.metadata$/.test(path));
    expect(named.filter(({ schema: node }) => !/[.:]$/.test(node.description ?? '')).map(({ path }) => path)).toEqual([]);
  });

  it('fills in what the schema fills in, so that a file and a custom resource say the same', () => {
    expect(defaultsOf(schema.properties?.['spec'] ?? {})).toEqual(of.spec.parse({}));
  });

  it('fills in nothing in the status', () => {
    const filled = nodes.filter(({ path, schema: node }) => path.startsWith(`${kind}.status`) && node.default !== undefined);
    expect(filled.map(({ path }) => path)).toEqual([]);
  });

  it('has rules on the spec alone, each in words for people that begin with the field', () => {
    const ruled = nodes.filter(({ schema: node }) => node['x-kubernetes-validations'] !== undefined);
    expect(ruled.map(({ path }) => path)).toEqual([`${kind}.spec`]);
    const fields = nodes.map(({ path }) => path.replace(`${kind}.spec.`, ''));
    for (const { message, ...rest } of ruled[0]?.schema['x-kubernetes-validations'] ?? []) {
      // Servers before 1.28 know no more than these two.
      expect(Object.keys(rest)).toEqual(['rule']);
      expect(fields).toContain(message.split(' ')[0]);
    }
  });

  it.each(of.rules.map(({ rule }) => rule))('has a rule of bounded scalars alone, and has() before what may be absent: %s', (rule) => {
    const spec = schema.properties?.['spec'] ?? {};
    expect(faultsOf(parse(rule).expr, spec, new Set())).toEqual([]);
  });
});

it('knows a rule that costs too much, or reads what may be absent', () => {
  const spec: StructuralSchema = {
    properties: {
      free: { type: 'string', default: '' },
      number: { type: 'integer', default: 1, minimum: 0, maximum: 9 },
      maybe: { type: 'integer', minimum: 0, maximum: 9 },
      list: { type: 'array', default: [] },
    },
  };
  const faults = (rule: string) => faultsOf(parse(rule).expr, spec, new Set());
  expect(faults('self.number > 1')).toEqual([]);
  expect(faults("self.free == 'x'")).toEqual(['free is no bounded scalar']);
  expect(faults('self.maybe > 1')).toEqual(['maybe may be absent']);
  expect(faults('!has(self.maybe) || self.maybe > 1')).toEqual([]);
  expect(faults('has(self.maybe) && self.maybe > 1')).toEqual([]);
  expect(faults('has(self.maybe) || self.maybe > 1')).toEqual(['maybe may be absent']);
  expect(faults('size(self.list) > 1')).toEqual(['size() is not among the functions', 'list is no bounded scalar']);
  expect(faults("self.number.matches('a')")).toContain('matches() is not among the functions');
  expect(faults("duration('1h') > duration('2h')")).toContain('duration() is not among the functions');
  expect(faults('[1].all(x, x > 0)')).toEqual(['comprehensionExpr is not among the expressions']);
  expect(faults('self.nothing == 1')).toEqual(['nothing is no field']);
});

function nodesBelow({ path, schema }: Node): Node[] {
  const below = [
    ...Object.entries(schema.properties ?? {}).map(([name, field]) => ({ path: `${path}.${name}`, schema: field })),
    ...(schema.items === undefined ? [] : [{ path: `${path}[]`, schema: schema.items }]),
    ...(typeof schema.additionalProperties === 'object' ? [{ path: `${path}{}`, schema: schema.additionalProperties }] : []),
  ];
  return [{ path, schema }, ...below.flatMap(nodesBelow)];
}

/** As the API server fills them in: outer defaults first, then those within. */
function defaultsOf(schema: StructuralSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
      if (field.default === undefined) {
        return [];
      }
      return [[name, typeof field.default === 'object' ? { ...field.default, ...defaultsOf(field) } : field.default]];
    }),
  );
}

/** @param present paths that are known to be there, by a has() before them */
function faultsOf(expr: Expr | undefined, spec: StructuralSchema, present: ReadonlySet<string>): string[] {
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case 'constExpr':
      return [];
    case 'selectExpr': {
      const path = pathOf(expr);
      return path === undefined
        ? ['a field of something else than self']
        : fieldFaults(path, spec, { present, isTest: kind.value.testOnly });
    }
    case 'callExpr': {
      const { function: name, args, target } = kind.value;
      const known = new Set([...present, ...presentAfter(name, args[0])]);
      return [
        ...(functions.has(name) ? [] : [`${name}() is not among the functions`]),
        ...[target, args[0]].flatMap((arg) => (arg === undefined ? [] : faultsOf(arg, spec, present))),
        ...args.slice(1).flatMap((arg) => faultsOf(arg, spec, known)),
      ];
    }
    default:
      return [`${kind?.case} is not among the expressions`];
  }
}

/** What the second operand may rely on. */
function presentAfter(name: string, first: Expr | undefined): string[] {
  const kind = first?.exprKind;
  const tested = (expr: Expr | undefined): string[] =>
    expr?.exprKind.case === 'selectExpr' && expr.exprKind.value.testOnly ? [pathOf(expr)?.join('.') ?? ''] : [];
  if (name === '_&&_') {
    return tested(first);
  }
  return name === '_||_' && kind?.case === 'callExpr' && kind.value.function === '!_' ? tested(kind.value.args[0]) : [];
}

/** `self.a.b` and `oldSelf.a.b` are a, b. */
function pathOf(expr: Expr | undefined): string[] | undefined {
  const kind = expr?.exprKind;
  if (kind?.case === 'identExpr') {
    return ['self', 'oldSelf'].includes(kind.value.name) ? [] : undefined;
  }
  const above = kind?.case === 'selectExpr' ? pathOf(kind.value.operand) : undefined;
  return kind?.case === 'selectExpr' && above !== undefined ? [...above, kind.value.field] : undefined;
}

function fieldFaults(path: readonly string[], spec: StructuralSchema, o: { present: ReadonlySet<string>; isTest: boolean }): string[] {
  let node: StructuralSchema = spec;
  for (const [index, name] of path.entries()) {
    const field = node.properties?.[name];
    if (field === undefined) {
      return [`${path.join('.')} is no field`];
    }
    const isLast = index === path.length - 1;
    const certain =
      field.default !== undefined || (node.required ?? []).includes(name) || o.present.has(path.slice(0, index + 1).join('.'));
    if (!certain && !(isLast && o.isTest)) {
      return [`${path.slice(0, index + 1).join('.')} may be absent`];
    }
    node = field;
  }
  return o.isTest || isBoundedScalar(node) ? [] : [`${path.join('.')} is no bounded scalar`];
}

function isBoundedScalar({ type, enum: words, minimum, maximum, maxLength }: StructuralSchema): boolean {
  switch (type) {
    case 'integer':
    case 'number':
      return minimum !== undefined && maximum !== undefined;
    case 'string':
      return words !== undefined || maxLength !== undefined;
    default:
      return type === 'boolean';
  }
}
