/**
 * `npm run docs`: writes whatever is generated: pages of docs/, definitions, rights and other files of deploy/, deploy/operator.yaml, and the API
 * documentation of shared/ in dist/api. For operator.yaml a kustomize must be on PATH, as kubectl has one.
 * `npm run docs -- --check`: writes nothing; fails where a page is not what would be written.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedPages } from './docs/pages.ts';
import { findKustomize } from './manifests/kustomize.ts';
import { operatorManifest, operatorPath } from './manifests/operator.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function main(argv: readonly string[]): Promise<number> {
  const unknown = argv.find((word) => word !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`docs: "${unknown}" is not understood; the only option is --check\n`);
    return 2;
  }
  const check = argv.includes('--check');
  const stale: string[] = [];
  const bring = async (path: string, text: string): Promise<void> => {
    if ((await readFile(join(root, path), 'utf8').catch(() => '')) === text) {
      return;
    }
    stale.push(path);
    if (!check) {
      await writeFile(join(root, path), text);
    }
  };
  for (const [path, text] of await generatedPages()) {
    await bring(path, text);
  }
  // Last, as it is made from the others.
  await bring(operatorPath, await operatorManifest(await findKustomize(process.env)));
  for (const path of stale) {
    process.stdout.write(check ? `${path} is not what the code says: run npm run docs\n` : `${path} written\n`);
  }
  if (check) {
    return stale.length === 0 ? 0 : 1;
  }
  return writeApi();
}

/** Every file of shared/ is an entry point of its own: it is imported by path. */
async function writeApi(): Promise<number> {
  // Loaded only here: it takes longer than all the rest.
  const { Application, LogLevel } = await import('typedoc');
  const app = await Application.bootstrap({
    name: 'CoucheStor shared',
    entryPointStrategy: 'expand',
    entryPoints: [join(root, 'shared/src')],
    tsconfig: join(root, 'shared/tsconfig.json'),
    exclude: ['**/*.{test,fixture,conformance}.ts', '**/testing/**'],
    readme: 'none',
    disableSources: true,
    // The build checks types.
    skipErrorChecking: true,
    logLevel: LogLevel.Error,
  });
  const project = await app.convert();
  if (project === undefined) {
    process.stderr.write('docs: typedoc could not read shared/\n');
    return 1;
  }
  await app.generateDocs(project, join(root, 'dist/api'));
  process.stdout.write('the API documentation of shared/ is in dist/api/index.html\n');
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
