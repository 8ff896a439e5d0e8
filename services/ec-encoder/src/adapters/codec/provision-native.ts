/** What comes before the start of an encoder: its add-ons are built, where that can be. */
import { describeError } from '@couchestor/shared/errors';
import { type BuildInput, buildNative, buildRonomon } from './build-native.ts';

export interface ProvisionNativeInput extends BuildInput {
  /** False builds nothing, and looks no further. */
  readonly install: boolean;
  /** Whether @ronomon/reed-solomon is wanted too. Only vaults whose policy says `codec: ronomon` need it. Default: false. */
  readonly withRonomon?: boolean;
}

/** Never fails: without an add-on another engine serves, more slowly; a vault that cannot do without one says so when it is opened. */
export async function provisionNativeCodec(o: ProvisionNativeInput): Promise<void> {
  if (!o.install) {
    return;
  }
  for (const build of o.withRonomon === true ? [buildNative, buildRonomon] : [buildNative]) {
    try {
      await build(o);
    } catch (error) {
      o.log(`going on without: ${describeError(error)}`);
    }
  }
}
