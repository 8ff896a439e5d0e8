/**
 * Builds the add-ons of the codecs before anything wants them: `node scripts/provision-native.mjs [--fetch-compiler] [folder]`, from the compiled
 * packages, or from source with `--conditions=source --import tsx`. Fails where that cannot be.
 *
 * - folder: where they go, instead of the cache; whoever is to find them there has its name in COUCHESTOR_NATIVE_DIR.
 * - --fetch-compiler: where there is no compiler, one of Debian packages, unpacked into the cache.
 */
import { buildNative, buildRonomon } from '@couchestor/ec-encoder/adapters/codec/build-native';

/** @param {readonly string[]} argv */
async function main(argv) {
  const [folder] = argv.filter((word) => !word.startsWith('--'));
  const env = folder === undefined ? process.env : { ...process.env, COUCHESTOR_NATIVE_DIR: folder };
  const log = (/** @type {string} */ line) => void process.stderr.write(`native codec: ${line}\n`);
  // A helper of tests, which images lack.
  const fetched = argv.includes('--fetch-compiler') ? await import('@couchestor/shared/testing/c-compiler') : undefined;
  const compiler = fetched === undefined ? {} : { compiler: () => fetched.cCompiler(process.env) };
  await buildNative({ env, log, ...compiler });
  await buildRonomon({ env, log, ...compiler });
}

await main(process.argv.slice(2));
