/** What has to be written to bring a status from what stands to what is wanted, and how soon. Pure. */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/**
 * The merge patch from one to the other; undefined where they are the same. A field of the outermost object that is not wanted is left
 * alone, because it is somebody else's; further in, it is removed.
 */
export function statusPatch(from: unknown, to: unknown): JsonObject | undefined {
  const before = plain(from);
  const after = plain(to);
  const ours = Object.fromEntries(Object.entries(before).filter(([key]) => key in after));
  return objectPatch(ours, after);
}

/** Fields that say when something was looked at and not what was found. */
const timeFields = new Set(['lastReconcileTime']);

/**
 * `soon`: it tells something new. `later`: only words changed, which an error message may do in every round. `not`: nothing but the time of
 * looking, and what stands is not old: a status that is written whenever it is looked at is a write for every look.
 */
export function urgencyOf(patch: JsonObject, o: { from: unknown; ageMs: number; staleMs: number }): 'soon' | 'later' | 'not' {
  const keys = Object.keys(patch).filter((key) => !timeFields.has(key));
  if (keys.length === 0) {
    return o.ageMs >= o.staleMs ? 'soon' : 'not';
  }
  const [only] = keys;
  return keys.length === 1 && only === 'conditions' && sameButWords(plain(o.from)['conditions'], patch['conditions']) ? 'later' : 'soon';
}

function sameButWords(from: Json | undefined, to: Json | undefined): boolean {
  return JSON.stringify(withoutWords(from)) === JSON.stringify(withoutWords(to));
}

function withoutWords(conditions: Json | undefined): unknown {
  return Array.isArray(conditions)
    ? conditions.map((condition: JsonObject) => [
        condition['type'],
        condition['status'],
        condition['reason'],
        condition['observedGeneration'],
      ])
    : conditions;
}

function objectPatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch: Record<string, Json> = {};
  for (const [key, value] of Object.entries(to)) {
    const change = value === undefined ? undefined : valuePatch(from[key], value);
    if (change !== undefined) {
      patch[key] = change;
    }
  }
  for (const key of Object.keys(from)) {
    if (to[key] === undefined) {
      patch[key] = null;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function valuePatch(from: Json | undefined, to: Json): Json | undefined {
  if (isObject(from) && isObject(to)) {
    return objectPatch(from, to);
  }
  return canonical(from) === canonical(to) ? undefined : to;
}

/** The same text for the same value, in whatever order a server gives the keys. */
function canonical(value: Json | undefined): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      isObject(inner as Json) ? Object.fromEntries(Object.entries(inner as JsonObject).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
    ) ?? ''
  );
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As it goes over the wire: without what is undefined. */
function plain(value: unknown): JsonObject {
  return value === undefined || value === null ? {} : (JSON.parse(JSON.stringify(value)) as JsonObject);
}
