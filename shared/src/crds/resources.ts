/**
 * The custom resources as the brain reads them. The spec is taken as it is: the brain judges it itself (crds/judge.ts), so that an object
 * which an older definition or a server without CEL let through gets a status that says what is wrong with it.
 */
import { z } from 'zod';
import { erasureCodingPolicyStatusSchema } from '../erasure-coding-policy.ts';
import { metadataSchema } from '../kubernetes/objects.ts';
import type { Resource } from '../kubernetes/resource.ts';
import { storagePolicyStatusSchema } from '../storage-policy.ts';
import { apiGroup } from './fields.ts';

const rawStoragePolicySchema = z.object({ metadata: metadataSchema, spec: z.unknown(), status: storagePolicyStatusSchema.optional() });
const rawErasureCodingPolicySchema = z.object({
  metadata: metadataSchema,
  spec: z.unknown(),
  status: erasureCodingPolicyStatusSchema.optional(),
});

export type RawStoragePolicy = z.infer<typeof rawStoragePolicySchema>;
export type RawErasureCodingPolicy = z.infer<typeof rawErasureCodingPolicySchema>;

export const storagePolicies: Resource<RawStoragePolicy> = {
  group: apiGroup,
  version: 'v1',
  plural: 'storagepolicies',
  kind: 'StoragePolicy',
  namespaced: false,
  schema: rawStoragePolicySchema,
};

export const erasureCodingPolicies: Resource<RawErasureCodingPolicy> = {
  group: apiGroup,
  version: 'v1',
  plural: 'erasurecodingpolicies',
  kind: 'ErasureCodingPolicy',
  namespaced: false,
  schema: rawErasureCodingPolicySchema,
};
