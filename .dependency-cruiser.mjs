/** Which file may import which: the arrows of docs/architecture.md. */

const tests = '\\.(test|fixture|conformance)\\.ts$';

/** What decisions may be made of: shared/src files without I/O, clock or randomness. */
const pureShared =
  '^shared/src/(contracts/|placement/|mayastor/(schema|read)\\.ts$|crds/(fields|rule)\\.ts$|(tiers|label-selector|storage-policy|erasure-coding-policy|duration|errors)\\.ts$)';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'domain-is-pure',
      comment: 'Decisions do no I/O: domain/ imports its own domain/, zod, hashes and the pure part of shared.',
      severity: 'error',
      from: { path: '^(services/[^/]+|cli)/src/domain/', pathNot: tests },
      // node:crypto for hashes, which are pure; randomness arrives as an argument all the same.
      to: { pathNot: ['^$1/src/domain/', '^node_modules/zod/', '^crypto$', pureShared] },
    },
    {
      name: 'pure-shared-is-pure',
      comment: 'What domain/ may import from shared does no I/O either.',
      severity: 'error',
      from: { path: pureShared, pathNot: tests },
      to: { pathNot: ['^node_modules/(zod|yaml)/', pureShared] },
    },
    {
      name: 'no-cross-service',
      comment: 'Services meet on the bus, never in an import.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'shared-is-the-floor',
      comment: 'shared/ stands on nothing of ours.',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(services|cli|tests|bench|scripts)/' },
    },
    {
      name: 'adapters-do-not-import-handlers',
      comment: 'Handlers call adapters, not the other way round.',
      severity: 'error',
      from: { path: '^services/([^/]+)/src/adapters/', pathNot: tests },
      to: { path: '^services/$1/src/handlers/' },
    },
    {
      name: 'only-cli-starts-services',
      comment: 'Of all the rest only the cli, the benchmarks, the tests and the scripts may import a service.',
      severity: 'error',
      from: { pathNot: '^(services|cli|bench|tests|scripts)/' },
      to: { path: '^services/' },
    },
    {
      name: 'cli-takes-service-definitions-only',
      comment:
        "The cli starts a service by its definition, does what a stopped one's folders need by its offline.ts, and knows nothing of its inside.",
      severity: 'error',
      from: { path: '^cli/', pathNot: tests },
      to: { path: '^services/', pathNot: '^services/[^/]+/src/(service|config|offline|provision)\\.ts$' },
    },
    {
      name: 'tests-are-not-imported',
      comment: 'Code that runs in production imports neither tests nor their helpers.',
      severity: 'error',
      from: { path: '^(shared|services|cli)/', pathNot: [tests, '/testing/'] },
      to: { path: ['\\.(test|fixture|conformance)\\.ts$', '/testing/', '^tests/'] },
    },
    {
      name: 'no-circular',
      comment: 'A circle of files cannot be understood one file at a time.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolvable',
      comment: 'Every import leads somewhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
      extensions: ['.ts', '.mjs', '.js'],
    },
  },
};
