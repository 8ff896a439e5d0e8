/** What of ours stands in Kubernetes: policies with their finalizers, and the definitions. */

import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { KubeError } from '@couchestor/shared/kubernetes/errors';
import { resourceName } from '@couchestor/shared/kubernetes/resource';
import { customResourceDefinitions, ourResources } from '../doctor/look/kubernetes.ts';
import type { Step } from './step.ts';

type OurResource = (typeof ourResources)[number];

interface OurObject {
  readonly resource: OurResource;
  readonly name: string;
  readonly finalizers: readonly string[];
}

export interface OurObjects {
  readonly objects: readonly OurObject[];
  /** Names of the definitions that are installed. */
  readonly definitions: readonly string[];
}

export async function readOurObjects(api: KubeApi): Promise<OurObjects> {
  const found = await Promise.all(
    ourResources.map(async (resource) => {
      try {
        const { items, invalid } = await api.list<{ metadata: { name: string; finalizers?: string[] | undefined } }>(resource);
        const objects = items.map(({ metadata: { name, finalizers = [] } }) => ({ resource, name, finalizers }));
        return { resource, objects: [...objects, ...invalid.map(({ name }) => ({ resource, name, finalizers: [] }))] };
      } catch (error) {
        // Of a kind that is not defined there are no objects.
        if (KubeError.is(error, 'NOT_FOUND')) {
          return undefined;
        }
        throw error;
      }
    }),
  );
  const defined = found.filter((entry) => entry !== undefined);
  return { objects: defined.flatMap(({ objects }) => objects), definitions: defined.map(({ resource }) => resourceName(resource)) };
}

/** Ours are named by our group. Nothing of ours sets any; one that is there would keep its object from being deleted for ever. */
export function finalizerSteps({ objects }: OurObjects, api: Pick<KubeApi, 'mergePatch'>): Step[] {
  return objects.flatMap(({ resource, name, finalizers }) => {
    const others = finalizers.filter((finalizer) => finalizer.split('/')[0] !== resource.group);
    return others.length === finalizers.length
      ? []
      : [
          {
            words: `remove our finalizers of ${resource.kind} ${name}`,
            make: () => api.mergePatch<unknown>(resource, { name }, { metadata: { finalizers: others } }),
          },
        ];
  });
}

export function deletePolicySteps({ objects }: OurObjects, api: Pick<KubeApi, 'remove'>): Step[] {
  return objects.map(({ resource, name }) => ({ words: `delete ${resource.kind} ${name}`, make: () => api.remove(resource, { name }) }));
}

export function deleteDefinitionSteps({ definitions }: OurObjects, api: Pick<KubeApi, 'remove'>): Step[] {
  return definitions.map((name) => ({
    words: `delete CustomResourceDefinition ${name}`,
    make: () => api.remove(customResourceDefinitions, { name }),
  }));
}
