/** Where the doctor and the uninstaller look: options of the services, of which none needs to be given. */
import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import { clientOptions } from '../client/options.ts';
import { defaultNatsUrl } from '../client/with-bus.ts';
import { findRunningStack } from '../stack/find-running.ts';
import { layoutOf } from '../stack/layout.ts';
import type { StackFile } from '../stack/stack-file.ts';

const { mayastorUrl, mayastorNamespace, mayastorCaFile, mayastorTokenFile, kubeconfig, podNamespace, coordination } = commonOptions;

export const placeOptions = defineOptions({
  mayastorUrl,
  mayastorNamespace,
  mayastorCaFile,
  mayastorTokenFile,
  kubeconfig,
  podNamespace,
  coordination,
  ...clientOptions,
});
type PlaceValues = OptionValues<typeof placeOptions>;

/** The places as given, or those of the local stack where one runs and no Mayastor was named: it says nothing about another cluster. */
export async function resolvePlaces<V extends PlaceValues>(
  values: V,
  env: NodeJS.ProcessEnv,
): Promise<{
  readonly values: V & { readonly natsUrl: string };
  readonly stack: StackFile | undefined;
  readonly policiesDir: string | undefined;
}> {
  const stack = values.mayastorUrl === undefined ? await findRunningStack({ dataDir: values.dataDir, env }) : undefined;
  const natsUrl = values.natsUrl ?? stack?.natsUrl ?? defaultNatsUrl;
  const local = stack && { mayastorUrl: stack.mayastorUrl, mayastorCaFile: undefined, mayastorTokenFile: undefined };
  return { values: { ...values, ...local, natsUrl }, stack, policiesDir: stack && layoutOf({ dataDir: stack.dataDir, env }).policiesDir };
}
