/**
 * `npm run docs`: writes the generated pages of docs/ and the API documentation of shared/ in dist/api.
 * `npm run docs -- --check`: writes nothing; fails where a page is not what would be written.
 */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedPages } from './docs/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function main(argv: readonly string[]): Promise<number> {
  const unknown = argv.find((word) => word !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`docs: "${unknown}" is not understood; the only option is --check\n`);
    return 2;
  }
  const check = argv.includes('--check');
  const stale: string[] = [];
  for (const [path, text] of await generatedPages()) {
    if ((await readFile(join(root, path), 'utf8').catch(() => '')) === text) {
      continue;
    }
    stale.push(path);
    if (!check) {
      await writeFile(join(root, path), text);
    }
  }
  for (const path of stale) {
    process.stdout.write(check ? `${path} is not what the code says: run npm run docs\n` : `${path} written\n`);
  }
  if (check) {
    return stale.length === 0 ? 0 : 1;
  }
  return writeApi();
}

/** Every file of shared/ is an entry point of its own: it is imported by path. */
function writeApi(): number {
  const args = [
    join(root, 'node_modules/typedoc/bin/typedoc'),
    ...['--entryPointStrategy', 'expand', '--entryPoints', 'shared/src', '--tsconfig', 'shared/tsconfig.json', '--out', 'dist/api'],
    ...['--exclude', '**/*.{test,fixture,conformance}.ts', '--exclude', '**/testing/**'],
    ...['--name', 'CoucheStor shared', '--readme', 'none', '--disableSources', '--skipErrorChecking', '--logLevel', 'Error'],
  ];
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`docs: typedoc did not succeed${error === undefined ? '' : ` (${error.message})`}\n`);
    return 1;
  }
  process.stdout.write('API documentation of shared/ is in dist/api/index.html\n');
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
