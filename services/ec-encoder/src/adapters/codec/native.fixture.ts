/** The add-ons for tests: built where they are not in the cache yet, with a compiler that is fetched where there is none. */
import { cCompiler } from '@couchestor/shared/testing/c-compiler';
import { buildNative, buildRonomon } from './build-native.ts';
import { loadNative } from './load-codec.ts';
import type { NativeAddon } from './native-addon.ts';
import { loadRonomon, type RonomonAddon } from './ronomon-addon.ts';

export const strictFlags = ['-Wall', '-Wextra', '-Werror'];

const { env } = process;
const common = { env, compiler: () => cCompiler(env), log: () => undefined };

export async function builtAddon(): Promise<NativeAddon> {
  return await loadNative(await buildNative({ ...common, flags: strictFlags }));
}

export async function builtRonomon(): Promise<RonomonAddon> {
  await buildRonomon(common);
  return await loadRonomon({ env });
}
