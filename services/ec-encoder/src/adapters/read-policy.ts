/** The ErasureCodingPolicy of a vault: out of a folder of files, or out of Kubernetes. Read once, when the vault is opened. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findEcPolicy } from '@couchestor/shared/crds/find-ec-policy';
import { type Judged, judgeErasureCodingPolicy } from '@couchestor/shared/crds/judge';
import { erasureCodingPolicies } from '@couchestor/shared/crds/resources';
import type { ErasureCodingPolicySpec } from '@couchestor/shared/erasure-coding-policy';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import type { Logger } from '@couchestor/shared/logger';
import type { Registry } from 'prom-client';
import type { EcEncoderConfig } from '../config.ts';
import { EcError } from '../errors.ts';
import type { GivenPolicy } from '../vault/vault-api.ts';

type PolicyOptions = Pick<EcEncoderConfig, 'ecPolicy' | 'policySource' | 'policyDir' | 'kubeconfig'>;

/** Undefined where none is named. Throws NO_POLICY and BAD_POLICY, and whatever reading fails with. */
export async function readPolicy(
  config: PolicyOptions,
  o: { env: NodeJS.ProcessEnv; logger: Logger; registry: Registry },
): Promise<GivenPolicy | undefined> {
  const { ecPolicy: name, policySource, policyDir } = config;
  if (name === undefined) {
    return undefined;
  }
  if (policySource === 'folder') {
    const spec = specOf(findEcPolicy(await textsOf(policyDir), name), { policy: name, policyDir });
    return { name, uid: `file:${name}`, spec };
  }
  const api = KubeApi.load({ ...o, kubeconfig: config.kubeconfig });
  try {
    const found = await api.get(erasureCodingPolicies, { name });
    const judged = found === undefined ? undefined : judgeErasureCodingPolicy(found.spec ?? {}, found.status?.acceptedSpec);
    const spec = specOf(judged, { policy: name, server: api.server });
    return { name, spec, ...(found === undefined ? {} : { uid: found.metadata.uid }) };
  } finally {
    await api.close();
  }
}

function specOf(judged: Judged<ErasureCodingPolicySpec> | undefined, facts: Readonly<Record<string, string>>): ErasureCodingPolicySpec {
  if (judged === undefined) {
    throw new EcError('NO_POLICY', facts);
  }
  if ('problems' in judged) {
    throw new EcError('BAD_POLICY', { ...facts, problems: judged.problems.join('; ').slice(0, 2_000) });
  }
  return judged.spec;
}

async function textsOf(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/i.test(name) && !name.startsWith('.')).sort();
  const paths = names.map((name) => join(folder, name));
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path, 'utf8')] as const)));
}
