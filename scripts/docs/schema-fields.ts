/** The fields of a zod schema as rows of a table, by way of its JSON schema. */
import { code } from './markdown.ts';

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

/** Every zod schema has this method; the contracts' type does not show it. */
interface WithJsonSchema {
  toJSONSchema(o: { io: 'input' }): unknown;
}

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
}

/** The fields of an object schema, those of nested objects left to their type. */
export function fieldsOf(schema: unknown): Field[] {
  const { properties = {}, required = [] } = (schema as WithJsonSchema).toJSONSchema({ io: 'input' }) as JsonSchema;
  return Object.entries(properties).map(([name, field]) => ({
    name,
    type: typeOf(field),
    isRequired: required.includes(name),
  }));
}

/** Fields in one line: `volumeId`, `reason?`. */
export function fieldNames(schema: unknown): string {
  const names = fieldsOf(schema).map(({ name, isRequired }) => code(isRequired ? name : `${name}?`));
  return names.length === 0 ? 'nothing' : names.join(', ');
}

function typeOf(schema: JsonSchema): string {
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) {
    return [...new Set(variants.map(typeOf))].join(' or ');
  }
  if (schema.const !== undefined) {
    return code(JSON.stringify(schema.const));
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => code(String(value))).join(', ');
  }
  switch (schema.type) {
    case 'array':
      return `list of ${typeOf(schema.items ?? {})}`;
    case 'object': {
      const names = Object.keys(schema.properties ?? {});
      return names.length === 0 ? 'map' : `{ ${names.join(', ')} }`;
    }
    case 'string':
      return schema.format ?? 'string';
    default:
      return schema.type ?? 'any';
  }
}
