/** Where the doctor and the uninstaller look: options of the services, of which none needs to be given. */
import { commonOptions } from '@couchestor/shared/common-options';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import { clientOptions } from '../client/options.ts';
import { defaultNatsUrl } from '../client/with-bus.ts';
import { usageError } from '../errors.ts';
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

const flagOf = { mayastorUrl: '--mayastor-url', natsUrl: '--nats-url', kubeconfig: '--kubeconfig' } as const;

/**
 * The places as given, or all those of the local stack where one runs and none was given: it says nothing about another cluster. Throws
 * CLI_USAGE where only some were given and a stack runs, for its NATS may answer at the address that stands in for the one that was not.
 */
export async function resolvePlaces<V extends PlaceValues>(
  values: V,
  env: NodeJS.ProcessEnv,
): Promise<{
  readonly values: V & { readonly natsUrl: string };
  readonly stack: StackFile | undefined;
  readonly policiesDir: string | undefined;
}> {
  const running = await findRunningStack({ dataDir: values.dataDir, env });
  const given = placesGiven(values, env);
  if (running !== undefined && given.length > 0) {
    const missing = (['mayastorUrl', 'natsUrl'] as const).filter((name) => values[name] === undefined);
    if (missing.length > 0) {
      const flags = (names: readonly (keyof typeof flagOf)[]): string => names.map((name) => flagOf[name]).join(' and ');
      throw usageError(
        `a local stack runs in ${running.dataDir}, and ${flags(given)} may mean another cluster: give ${flags(missing)} too, or none of them to look at the stack`,
      );
    }
  }
  const stack = given.length === 0 ? running : undefined;
  const natsUrl = values.natsUrl ?? stack?.natsUrl ?? defaultNatsUrl;
  const local = stack && { mayastorUrl: stack.mayastorUrl, mayastorCaFile: undefined, mayastorTokenFile: undefined };
  return { values: { ...values, ...local, natsUrl }, stack, policiesDir: stack && layoutOf({ dataDir: stack.dataDir, env }).policiesDir };
}

/** KUBECONFIG does not count: it is set in many a shell, for other things. */
function placesGiven(values: PlaceValues, env: NodeJS.ProcessEnv): (keyof typeof flagOf)[] {
  const given = { ...values, kubeconfig: values.kubeconfig === env['KUBECONFIG'] ? undefined : values.kubeconfig };
  return (['mayastorUrl', 'natsUrl', 'kubeconfig'] as const).filter((name) => given[name] !== undefined);
}
