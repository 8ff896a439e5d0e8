/**
 * The formats on the wire and in the buckets are locked: schema-lock.json holds, for each contract and each of its versions, the hash of its
 * JSON schema. Run with COUCHESTOR_UPDATE_SCHEMA_LOCK=1 to write the lock anew after a change that was meant.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { migrateVolumeJobSchema, migrateVolumeQueue } from './migrator.ts';
import { buckets, events, rpcs } from './registry.ts';

/** Contract, then version, then hash. Hashes of older versions stay for the record. */
type Lock = Record<string, Record<string, string>>;

const file = new URL('./schema-lock.json', import.meta.url);
const updating = process.env['COUCHESTOR_UPDATE_SCHEMA_LOCK'] === '1';

interface Locked {
  readonly name: string;
  readonly version: number;
  readonly schemas: readonly z.ZodType[];
  readonly upcast?: Readonly<Record<number, unknown>> | undefined;
}

const contracts: readonly Locked[] = [
  ...events.map((event) => ({ name: `event ${event.type}`, version: event.version, schemas: [event.payload], upcast: event.upcast })),
  ...buckets.map((bucket) => ({ name: `bucket ${bucket.name}`, version: bucket.version, schemas: [bucket.value], upcast: bucket.upcast })),
  // Nothing stores a question or a wake-up: asker and answerer are of one release, so that these have one version for ever.
  ...rpcs.map((rpc) => ({ name: `rpc ${rpc.name}`, version: 1, schemas: [rpc.request, rpc.response] })),
  { name: `job ${migrateVolumeQueue}`, version: 1, schemas: [migrateVolumeJobSchema] },
];

describe('the schema lock', () => {
  if (updating) {
    writeFileSync(file, `${JSON.stringify(lockOf(contracts, readLock()), null, 2)}\n`);
  }
  const lock = readLock();

  it.each(contracts)('holds the schema of $name', ({ name, version, schemas }) => {
    expect(
      hashOf(schemas),
      `The schema of ${name} has changed: bump the version, add an upcast, update the lock (COUCHESTOR_UPDATE_SCHEMA_LOCK=1).`,
    ).toBe(lock[name]?.[version]);
  });

  it('holds no contract that is gone', () => {
    expect(Object.keys(lock).sort()).toEqual(contracts.map(({ name }) => name).sort());
  });

  it.each(contracts)('finds every older version of $name liftable', ({ version, upcast }) => {
    const older = Array.from({ length: version - 1 }, (_, index) => String(index + 1));
    expect(Object.keys(upcast ?? {})).toEqual(older);
  });

  it('sees a change of a field, and none where only words for people change', () => {
    const before = hashOf([z.strictObject({ a: z.int(), b: z.string().describe('One.') })]);
    expect(hashOf([z.strictObject({ b: z.string().describe('Another.'), a: z.int() })])).toBe(before);
    expect(hashOf([z.strictObject({ a: z.int(), b: z.string().optional() })])).not.toBe(before);
    expect(hashOf([z.strictObject({ a: z.int(), b: z.string(), description: z.string() })])).not.toBe(before);
  });
});

function readLock(): Lock {
  return JSON.parse(readFileSync(file, 'utf8')) as Lock;
}

function lockOf(all: readonly Locked[], old: Lock): Lock {
  const names = all.map(({ name }) => name).sort();
  return Object.fromEntries(
    names.map((name) => {
      const contract = all.find((candidate) => candidate.name === name);
      return [name, contract === undefined ? {} : { ...old[name], [contract.version]: hashOf(contract.schemas) }];
    }),
  );
}

function hashOf(schemas: readonly z.ZodType[]): string {
  const canonical = schemas.map((schema) => canonicalOf(z.toJSONSchema(schema)));
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex');
}

/** Without descriptions, which are for people, and with sorted keys. A property that is called `description` is an object and stays. */
function canonicalOf(node: unknown): unknown {
  if (Array.isArray(node)) {
    return node.map(canonicalOf);
  }
  if (typeof node !== 'object' || node === null) {
    return node;
  }
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key, value]) => !(key === 'description' && typeof value === 'string'))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, key === 'required' && Array.isArray(value) ? [...value].sort() : canonicalOf(value)]),
  );
}
