/** Where policies come from: a watched folder, or the custom resources of Kubernetes. */
import type { ErasureCodingPolicySpec } from '@couchestor/shared/erasure-coding-policy';
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import type { PolicyProblem } from '../domain/policy-status.ts';

export interface SourcedPolicy {
  readonly policy: StoragePolicy;
  /** A file's path, or the custom resource. */
  readonly source: string;
}

/** A valid ErasureCodingPolicy. */
export interface SourcedEcPolicy {
  readonly name: string;
  /** Of the custom resource. */
  readonly uid?: string;
  /** A file's path, or the custom resource. */
  readonly source: string;
  readonly spec: ErasureCodingPolicySpec;
}

export interface PolicySet {
  readonly policies: readonly SourcedPolicy[];
  readonly ecPolicies: readonly SourcedEcPolicy[];
  readonly problems: readonly PolicyProblem[];
}

export interface PolicySource {
  /** Called with all policies as soon as they could be read, which may be after `open` has resolved, and whenever any of them changes. */
  onChange(listener: (set: PolicySet) => void): void;
  open(): Promise<void>;
  close(): Promise<void>;
}
