/** The CustomResourceDefinitions in a real API server, as `kubectl apply -f deploy/crds` would have them. For tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { CustomResourceDefinition } from '../../crds/crd.ts';
import type { KubeApi } from '../../kubernetes/api.ts';
import { KubeError } from '../../kubernetes/errors.ts';
import { waitUntil } from '../wait-until.ts';

const folder = new URL('../../../../deploy/crds/', import.meta.url);
const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export interface InstalledCrd extends CustomResourceDefinition {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[] };
}

/** Resolves once the API server serves the kinds. Definitions that are there already are brought up to date. */
export async function installCrds(api: KubeApi): Promise<InstalledCrd[]> {
  const definitions = readdirSync(folder)
    .sort()
    .map((file) => parse(readFileSync(new URL(file, folder), 'utf8')) as CustomResourceDefinition);
  for (const definition of definitions) {
    await apply(api, definition);
  }
  return await Promise.all(definitions.map((definition) => established(api, definition)));
}

async function apply(api: KubeApi, definition: CustomResourceDefinition): Promise<void> {
  try {
    await api.raw({ method: 'POST', path: crdsPath, body: definition });
  } catch (error) {
    if (!KubeError.is(error, 'ALREADY_EXISTS')) {
      throw error;
    }
    const { metadata } = await read(api, definition);
    const body = { ...definition, metadata: { ...definition.metadata, ...metadata } };
    await api.raw({ method: 'PUT', path: `${crdsPath}/${definition.metadata.name}`, body });
  }
}

async function established(api: KubeApi, definition: CustomResourceDefinition): Promise<InstalledCrd> {
  const { group, names, versions } = definition.spec;
  let found: InstalledCrd | undefined;
  await waitUntil(
    async () => {
      found = await read(api, definition);
      // The kind is served a moment after its definition says so.
      return isTrue(found, 'Established') && (await isServed(api, `/apis/${group}/${versions[0]?.name}/${names['plural']}`));
    },
    { timeoutMs: 20_000, what: `${definition.metadata.name} to be served` },
  );
  return found ?? (await read(api, definition));
}

function isTrue({ status }: InstalledCrd, type: string): boolean {
  return (status?.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');
}

async function isServed(api: KubeApi, path: string): Promise<boolean> {
  try {
    await api.raw({ method: 'GET', path });
    return true;
  } catch (error) {
    if (KubeError.is(error, 'NOT_FOUND')) {
      return false;
    }
    throw error;
  }
}

async function read(api: KubeApi, { metadata }: CustomResourceDefinition): Promise<InstalledCrd> {
  return (await api.raw({ method: 'GET', path: `${crdsPath}/${metadata.name}` })) as InstalledCrd;
}
