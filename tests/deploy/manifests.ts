/** The manifests as kustomize renders them, for tests. */
import { join } from 'node:path';
import { provisionKubeAssets } from '@couchestor/shared/testing/kube/assets';
import { parseAllDocuments } from 'yaml';
import { kustomize } from '../../scripts/manifests/operator.ts';

export const root = join(import.meta.dirname, '../..');

/** As loose as Kubernetes' objects are: a test reads what it asserts. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: one type for all kinds, read in tests alone.
  readonly [field: string]: any;
}

export async function kubectlProgram(): Promise<string> {
  const install = process.env['COUCHESTOR_NO_INSTALL'] !== '1';
  const { kubectl } = await provisionKubeAssets({ env: process.env, install, log: (line) => process.stderr.write(`${line}\n`) });
  return kubectl ?? 'kubectl';
}

export async function render(kubectl: string, folder: string): Promise<Manifest[]> {
  return manifestsIn(await kustomize(kubectl, folder));
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
