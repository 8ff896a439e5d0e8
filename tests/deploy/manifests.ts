/** The manifests as kustomize renders them, for tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Kustomize } from '../../scripts/manifests/kustomize.ts';

export const root = join(import.meta.dirname, '../..');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has another one, and a test reads what it asserts: what is missing fails it.
  readonly spec: any;
  readonly data?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly subjects?: readonly { readonly name: string; readonly namespace?: string }[];
}

export async function render(kustomize: Kustomize, folder: string): Promise<Manifest[]> {
  return manifestsIn(await kustomize(folder));
}

export function manifestsOf(path: string): Manifest[] {
  return manifestsIn(readFileSync(join(root, path), 'utf8'));
}

export function manifestsIn(yaml: string): Manifest[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Their pods are made from a template. */
export function workloadsOf(manifests: readonly Manifest[]): Manifest[] {
  return manifests.filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind));
}
