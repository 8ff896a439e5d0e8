/** Where policies come from: a watched folder, or later the custom resources of Kubernetes. */
import type { StoragePolicy } from '@couchestor/shared/storage-policy';
import type { PolicyProblem } from '../domain/policy-status.ts';

export interface SourcedPolicy {
  readonly policy: StoragePolicy;
  /** A file's path, or the custom resource. */
  readonly source: string;
}

export interface PolicySet {
  readonly policies: readonly SourcedPolicy[];
  readonly problems: readonly PolicyProblem[];
}

export interface PolicySource {
  /** Called with all policies at first, before `open` resolves, and whenever any of them changes. */
  onChange(listener: (set: PolicySet) => void): void;
  open(): Promise<void>;
  close(): Promise<void>;
}
