/** A kind of object in the API server: where it lives and what it looks like. */
import type { z } from 'zod';

export interface Resource<T> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly schema: z.ZodType<T>;
}

/** Of an object: its name, and its namespace where its kind is namespaced. */
export interface ObjectName {
  readonly name: string;
  readonly namespace?: string | undefined;
}

export function apiVersionOf(resource: Resource<unknown>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The key of an object in a store or a queue: `name`, or `namespace/name`. */
export function keyOf(object: ObjectName): string {
  return object.namespace === undefined || object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
}

/** For messages and metrics: `persistentvolumes`, `storagepolicies.storage.billyronks.io`. */
export function resourceName(resource: Resource<unknown>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** Of all objects of this kind, or of those in one namespace. */
export function collectionPath(resource: Resource<unknown>, namespace?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  if (namespace !== undefined && !resource.namespaced) {
    throw new TypeError(`${resourceName(resource)} is cluster-scoped: it was asked for in namespace ${namespace}`);
  }
  return `${root}${namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${resource.plural}`;
}

export function objectPath(resource: Resource<unknown>, at: ObjectName, subresource?: string): string {
  if (at.name === '' || (resource.namespaced && (at.namespace === undefined || at.namespace === ''))) {
    throw new TypeError(`an object of ${resourceName(resource)} has a name${resource.namespaced ? ' and a namespace' : ''}`);
  }
  const collection = collectionPath(resource, resource.namespaced ? at.namespace : undefined);
  return `${collection}/${encodeURIComponent(at.name)}${subresource === undefined ? '' : `/${subresource}`}`;
}
