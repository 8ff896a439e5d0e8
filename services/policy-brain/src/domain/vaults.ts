/** What the vaults of an ErasureCodingPolicy add up to. Pure. */
import { problemConditions } from '@couchestor/shared/contracts/vault';
import type { VaultRecord } from '@couchestor/shared/contracts/vault-events';

/** A vault says once a minute how it is. */
const silentMs = 3 * 60_000;

export interface VaultsSum {
  readonly volumes: number;
  readonly stripes: { readonly total: number; readonly healthy: number; readonly degraded: number; readonly rebuilding: number };
  /** Undefined where all of them keep what the policy promises. */
  readonly degraded: { readonly reason: string; readonly message: string } | undefined;
}

/** Those of a policy of Kubernetes, by its uid; one whose policy came from a file, or from nowhere, by its name. */
export function vaultsOf(vaults: Iterable<VaultRecord>, policy: { name: string; uid: string }): VaultRecord[] {
  return [...vaults].filter(({ policy: { name, uid } }) =>
    uid === undefined || uid.startsWith('file:') ? name === policy.name : uid === policy.uid,
  );
}

/** Undefined where there are none. */
export function sumOfVaults(vaults: readonly VaultRecord[], nowMs: number): VaultsSum | undefined {
  if (vaults.length === 0) {
    return undefined;
  }
  const sum = (count: (vault: VaultRecord) => number): number => vaults.reduce((total, vault) => total + count(vault), 0);
  const wrong = [...vaults].sort((left, right) => (left.vaultId < right.vaultId ? -1 : 1)).flatMap((vault) => degradedBy(vault, nowMs));
  const [first] = wrong;
  return {
    volumes: sum(({ volumes }) => volumes),
    stripes: {
      total: sum(({ stripes }) => stripes.total),
      healthy: sum(({ stripes }) => stripes.healthy),
      // What is lost lacks shards as well, and the status has no other place for it.
      degraded: sum(({ stripes }) => stripes.degraded + stripes.lost),
      rebuilding: sum(({ stripes }) => stripes.rebuilding),
    },
    degraded:
      first === undefined
        ? undefined
        : {
            reason: first.reason,
            message: wrong
              .map(({ message }) => message)
              .join(' ')
              .slice(0, 32_000),
          },
  };
}

function degradedBy({ vaultId, phase, conditions, at }: VaultRecord, nowMs: number): { reason: string; message: string }[] {
  if (nowMs - Date.parse(at) > silentMs) {
    return [{ reason: 'VaultSilent', message: `Vault ${vaultId} was last heard of at ${at}: is it running, and does it reach NATS?` }];
  }
  const held = problemConditions(conditions);
  if (held.length > 0) {
    return held.map(({ type, reason, message }) => ({ reason: conditionReason(reason || type), message: `Vault ${vaultId}: ${message}` }));
  }
  return phase === 'ready'
    ? []
    : [{ reason: `Vault${phase.charAt(0).toUpperCase()}${phase.slice(1)}`, message: `Vault ${vaultId} is ${phase}.` }];
}

/** As Kubernetes takes it: a word that begins with a letter. */
function conditionReason(text: string): string {
  const word = text.replaceAll(/[^A-Za-z0-9_]/g, '').slice(0, 128);
  return /^[A-Za-z]/.test(word) ? word : 'Degraded';
}
