/**
 * `npm run manifests`: writes what in deploy/ is generated, and deploy/operator.yaml, which kubectl renders.
 * `npm run manifests -- --check`: writes nothing; fails where a file is not what would be written.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedManifests } from './manifests/files.ts';
import { operatorManifest } from './manifests/operator.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const kubectl = process.env['TEST_ASSET_KUBECTL'] ?? 'kubectl';

async function main(argv: readonly string[]): Promise<number> {
  const unknown = argv.find((word) => word !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`manifests: "${unknown}" is not understood; the only option is --check\n`);
    return 2;
  }
  const check = argv.includes('--check');
  let stale = 0;
  const bring = async (path: string, text: string): Promise<void> => {
    if ((await readFile(join(root, path), 'utf8').catch(() => '')) === text) {
      return;
    }
    stale += 1;
    if (!check) {
      await writeFile(join(root, path), text);
    }
    process.stdout.write(check ? `${path} is not what is generated: run npm run manifests\n` : `${path} written\n`);
  };
  for (const [path, text] of generatedManifests()) {
    await bring(path, text);
  }
  // Last, as it is made from the others.
  await bring('deploy/operator.yaml', await operatorManifest(kubectl));
  return check && stale > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
