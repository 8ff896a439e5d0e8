/** What a route is, and how it reads its call. A call that does not parse is refused with kind Deserialize, as Mayastor does. */
import { z } from 'zod';
import type { MayastorVersion, Node, Observed, Pool, Replica, Turn, Volume } from '../cluster.ts';
import { notFound, Refusal } from '../refusal.ts';
import type { ModelRequest } from '../request.ts';
import { volumeJson } from '../views.ts';

export interface Call {
  readonly turn: Turn;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** The look at the nodes that GETs answer from. Undefined: the present state. */
  readonly seen: Observed | undefined;
}

export interface RouteAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly delayMs?: number;
}

export interface Route {
  readonly method: ModelRequest['method'];
  /** Below /v0; `:name` takes one segment. Of `:volume`, `:replica`, `:nexus` and `:snapshot` a uuid. */
  readonly path: string;
  /** Absent in older versions: an unknown route. */
  readonly since?: MayastorVersion;
  readonly run: (call: Call) => RouteAnswer;
}

export const noContent: RouteAnswer = { status: 204, body: undefined };

export function ok(body: unknown): RouteAnswer {
  return { status: 200, body };
}

export function parseBody<T>(schema: z.ZodType<T>, call: Call): T {
  return parse(schema, call.body, 'Json');
}

export function parseQuery<T>(schema: z.ZodType<T>, call: Call): T {
  return parse(schema, call.query, 'Query');
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  const missing = issue?.code === 'invalid_type' && issue.message.includes('received undefined');
  const problem =
    missing && field !== '' ? `missing field \`${field}\`` : `${field === '' ? '' : `field \`${field}\`: `}${issue?.message ?? ''}`;
  throw new Refusal('Deserialize', 'Deserialize', `${what} deserialize error: ${problem}`);
}

export const booleanQuery = z.enum(['true', 'false']).transform((text) => text === 'true');
export const integerQuery = z
  .string()
  .regex(/^\d{1,15}$/, 'invalid digit found in string')
  .transform(Number);

export const pageQuerySchema = z.object({
  max_entries: integerQuery,
  starting_token: integerQuery.default(0),
  volume_id: z.uuid().optional(),
});

/** A page and the token of the next one; max_entries 0 gives everything. */
export function page<T>(items: readonly T[], query: z.infer<typeof pageQuerySchema>, view: (item: T) => unknown): RouteAnswer {
  const end = query.max_entries === 0 ? items.length : query.starting_token + query.max_entries;
  const entries = items.slice(query.starting_token, end).map(view);
  return ok({ entries, ...(end < items.length && { next_token: end }) });
}

export function param(call: Call, name: string): string {
  const value = call.params[name];
  if (value === undefined) {
    throw new Error(`the route has no parameter ${name}`);
  }
  return value;
}

export function nodeOf(call: Call): Node {
  const id = param(call, 'node');
  const node = call.turn.cluster.nodes[id];
  if (node === undefined) {
    throw notFound('Node', id);
  }
  return node;
}

export function poolOf(call: Call): Pool {
  const id = param(call, 'pool');
  const pool = call.turn.cluster.pools[id];
  if (pool === undefined || (call.params['node'] !== undefined && pool.node !== call.params['node'])) {
    throw notFound('Pool', id);
  }
  return pool;
}

export function volumeOf(call: Call): Volume {
  const id = param(call, 'volume');
  const volume = call.turn.cluster.volumes[id];
  if (volume === undefined) {
    throw notFound('Volume', id);
  }
  return volume;
}

export function replicaOf(call: Call): Replica {
  const id = param(call, 'replica');
  const replica = call.turn.cluster.replicas[id];
  if (replica === undefined || (call.params['pool'] !== undefined && replica.pool !== call.params['pool'])) {
    throw notFound('Replica', id);
  }
  return replica;
}

/** Runs a change of a volume, one at a time: a second one while the first is in flight is a conflict. */
export function operate(call: Call, input: { volume: Volume; operation: string; change: () => void }): RouteAnswer {
  const { cluster } = call.turn;
  const { volume, operation, change } = input;
  if (volume.operation !== undefined) {
    throw new Refusal('Conflict', 'Conflict', `Volume '${volume.uuid}' has operation '${volume.operation.operation}' in progress`);
  }
  change();
  const body = volumeJson(cluster, volume);
  const { operationMs } = cluster.settings;
  if (operationMs > 0) {
    volume.operation = { operation, endsAtMs: cluster.nowMs + operationMs };
  }
  return { status: 200, body, delayMs: operationMs };
}

/** `key=value` of a label route. */
export function labelPair(call: Call): { key: string; value: string } {
  const [key, ...rest] = param(call, 'pair').split('=');
  if (key === undefined || key === '' || rest.length === 0) {
    throw new Refusal('Deserialize', 'Deserialize', 'Path deserialize error: a label is written key=value');
  }
  return { key, value: rest.join('=') };
}

/** The label rules that nodes and pools share. */
export function setLabel(labels: Record<string, string>, input: { what: string; key: string; value: string; overwrite: boolean }): void {
  const { what, key, value, overwrite } = input;
  const before = labels[key];
  if (before === value && !overwrite) {
    throw new Refusal('AlreadyExists', 'LabelsExists', `${what} already has label '${key}' with value '${value}'`);
  }
  if (before !== undefined && before !== value && !overwrite) {
    throw new Refusal('FailedPrecondition', 'LabelsExists', `${what} has label '${key}' with value '${before}': overwrite is not set`);
  }
  labels[key] = value;
}

export function removeLabel(labels: Record<string, string>, input: { what: string; key: string }): void {
  if (labels[input.key] === undefined) {
    throw new Refusal('FailedPrecondition', 'LabelNotFound', `${input.what} has no label '${input.key}'`);
  }
  delete labels[input.key];
}
