import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crdOf, policyKinds } from '@couchestor/shared/crds/crd';
import { storagePolicyConditions } from '@couchestor/shared/storage-policy';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { services } from './docs/configuration.ts';
import { crdPath } from './docs/crds.ts';
import { findErrorTables } from './docs/errors.ts';
import { generatedPages } from './docs/pages.ts';

const root = join(import.meta.dirname, '..');
const pages = await generatedPages();

describe('the generated pages', () => {
  it.each([...pages.keys()])('%s is what the code says (npm run docs writes it)', (path) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(pages.get(path));
  });

  it('tell of every service there is', () => {
    expect(services.map(({ name }) => name).sort()).toEqual(readdirSync(join(root, 'services')).sort());
  });

  it('tell of every metric that the source names', () => {
    const named = new Set(
      sources().flatMap((text) =>
        [...text.matchAll(/name: '(couchestor_[a-z_]+)'|name = '(couchestor_[a-z_]+)'/g)].map(([, one, other]) => one ?? other),
      ),
    );
    const missing = [...named].filter((name) => !pages.get('docs/metrics.md')?.includes(`\`${name}\``));
    expect(named.size).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });

  it.each([...policyKinds])('give kubectl, which reads YAML 1.1, the definition of $kind as it is', (kind) => {
    expect(parse(pages.get(crdPath(kind)) ?? '', { version: '1.1' })).toEqual(crdOf(kind));
  });

  it('tell of every condition that the brain gives a policy', () => {
    const source = readFileSync(join(root, 'services/policy-brain/src/domain/policy-status.ts'), 'utf8');
    const given = new Set([...source.matchAll(/\b(?:problem|finding)\(\s*'([A-Z]\w+)'/g)].map(([, type]) => type));
    expect(given.size).toBeGreaterThan(5);
    expect(Object.keys(storagePolicyConditions).sort()).toEqual([...given].sort());
  });

  it('tell of every table of errors, each with its own domain', async () => {
    const domains = (await findErrorTables()).map(({ errors }) => errors.domain);
    const defined = sources().flatMap((text) => [...text.matchAll(/= defineErrors\('([A-Z]+)'/g)].map(([, domain]) => domain));
    expect(domains).toEqual([...new Set(domains)]);
    expect(domains).toEqual(defined.sort());
  });
});

/** Of what runs in production. */
function sources(): string[] {
  return ['shared', 'services', 'cli']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((file) => /\/src\/.*\.ts$/.test(file) && !/\.(test|fixture|conformance)\.ts$|node_modules|\/dist\//.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8'));
}
