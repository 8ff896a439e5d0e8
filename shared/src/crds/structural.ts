/**
 * A zod schema as the structural schema that the API server takes: OpenAPI 3.0 without unions, without what only JSON Schema knows, and
 * with a limit on every list and map.
 */
import { z } from 'zod';
import { matchLabelsMax } from '../label-selector.ts';

/** The part of OpenAPI's schema that the definitions use. */
export interface StructuralSchema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  description?: string;
  format?: string;
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, StructuralSchema>;
  additionalProperties?: StructuralSchema;
  items?: StructuralSchema;
  'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
  'x-kubernetes-list-type'?: 'map';
  'x-kubernetes-list-map-keys'?: string[];
}

/** As zod writes it, before it is cut to what the API server takes. */
type Written = Record<string, unknown>;

export function structuralSchemaOf(schema: z.ZodType): StructuralSchema {
  return z.toJSONSchema(schema, {
    // Fields with a default are optional to the writer.
    io: 'input',
    target: 'openapi-3.0',
    unrepresentable: 'throw',
    reused: 'inline',
    override: ({ jsonSchema }) => toStructural(jsonSchema as Written),
  }) as StructuralSchema;
}

function toStructural(node: Written): void {
  // The API server prunes unknown fields by itself, and refuses this beside `properties`.
  if (node['additionalProperties'] === false) {
    delete node['additionalProperties'];
  }
  // The only map there is; JSON Schema as zod writes it has no word for its limit.
  if (typeof node['additionalProperties'] === 'object') {
    node['maxProperties'] = matchLabelsMax;
  }
  delete node['propertyNames'];
  delete node['$schema'];
  // zod's bounds of any integer; ours are all narrower.
  if (node['minimum'] === Number.MIN_SAFE_INTEGER) {
    delete node['minimum'];
  }
  if (node['maximum'] === Number.MAX_SAFE_INTEGER) {
    delete node['maximum'];
  }
}

/** Without the defaults: a status says what was written into it, and nothing more. */
export function withoutDefaults(schema: StructuralSchema): StructuralSchema {
  const { default: _unused, properties, items, additionalProperties, ...rest } = schema;
  return {
    ...rest,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, withoutDefaults(field)])) }),
    ...(items === undefined ? {} : { items: withoutDefaults(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: withoutDefaults(additionalProperties) }),
  };
}
