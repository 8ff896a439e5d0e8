/** The policies: files of a folder, or custom resources. Faults in them are the brain's to tell; here they are counted. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judgeDocument, judgeStoragePolicy } from '@couchestor/shared/crds/judge';
import { storagePolicies } from '@couchestor/shared/crds/resources';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import type { StoragePolicySpec } from '@couchestor/shared/storage-policy';
import { parseAllDocuments } from 'yaml';
import type { PolicyFacts } from '../facts.ts';

type Policy = PolicyFacts['policies'][number];

export async function policiesOfFolder(folder: string): Promise<PolicyFacts> {
  const policies: Policy[] = [];
  let unreadable = 0;
  for (const name of await policyFiles(folder)) {
    for (const document of parseAllDocuments(await readFile(join(folder, name), 'utf8'), { logLevel: 'silent' })) {
      if (document.errors.length > 0) {
        unreadable += 1;
        continue;
      }
      const value: unknown = document.toJS();
      const judged = value === null ? undefined : judgeDocument(value);
      if (judged?.kind === 'StoragePolicy') {
        policies.push(policyOf(judged.name, judged.spec));
      }
      unreadable += judged?.kind === 'neither' ? 1 : 0;
    }
  }
  return { policies, unreadable };
}

/** As the brain picks them. */
export async function policyFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
}

export async function policiesOfKubernetes(api: KubeApi): Promise<PolicyFacts> {
  const { items, invalid } = await api.list(storagePolicies);
  const judged = items.map(({ metadata, spec }) => ({ name: metadata.name, judged: judgeStoragePolicy(spec) }));
  const policies = judged.flatMap((entry) => ('spec' in entry.judged ? [policyOf(entry.name, entry.judged.spec)] : []));
  return { policies, unreadable: invalid.length + judged.length - policies.length };
}

function policyOf(name: string, spec: StoragePolicySpec): Policy {
  const { storageClassName, hotPoolSelector: hot, warmPoolSelector: warm, coldPoolSelector: cold } = spec;
  return { name, storageClassName, selectors: { ...(hot && { hot }), ...(warm && { warm }), ...(cold && { cold }) } };
}
