/** The demonstration's result: its counts, and everything that was not as it must be. Pure. */
import { countDemoted, countFailed, countPromoted, countRecovered, goalsOf, type Story } from './story.ts';

/** What was found in the cluster when all was done. */
export interface Findings {
  readonly bytesVerified: number;
  /** Bytes, blocks or replicas that were not what was written; any is too many. */
  readonly corrupt: number;
  /** Time in which a volume had fewer synced replicas than it began with. */
  readonly underReplicatedMs: number;
  readonly leftovers: readonly string[];
}

/** What the act of the vault did and saw. */
export interface VaultReport {
  readonly bytesWritten: number;
  /** Read back and compared. */
  readonly bytesVerified: number;
  /** Blocks that were not what was written; any is too many. */
  readonly mismatches: number;
  readonly drivesFailed: number;
  /** Bytes of lost shards that were computed from the others, by reads. */
  readonly reconstructions: number;
  readonly stripesRebuilt: number;
  readonly survives: string;
  readonly seconds: number;
  readonly problems: readonly string[];
}

export interface Verdict extends Pick<Findings, 'bytesVerified' | 'corrupt' | 'underReplicatedMs'> {
  readonly promoted: number;
  readonly demoted: number;
  readonly refused: number;
  readonly recovered: number;
  readonly failed: number;
  /** Null where there was no vault, or where its act failed. */
  readonly vault: VaultReport | null;
  /** From the start of the stack, provisioning not counted, to the end of the verification. */
  readonly seconds: number;
  /** Empty where all went well. */
  readonly problems: readonly string[];
}

/** `vault`: what its act reported, or why it failed; undefined where there was no vault. */
export function verdictOf(o: {
  story: Story;
  findings: Findings;
  vault: VaultReport | { readonly failure: string } | undefined;
  seconds: number;
  secondsMax: number;
}): Verdict {
  const { story, findings, vault, seconds } = o;
  const failed = countFailed(story);
  const problems = [
    ...goalsOf(story)
      .filter(({ reached }) => !reached)
      .map(({ what }) => `did not happen in time: ${what}`),
    ...(failed > 0 ? [`${failed} moves failed or were aborted`] : []),
    ...(findings.bytesVerified === 0 ? ['no byte was verified'] : []),
    ...(findings.corrupt > 0 ? [`${findings.corrupt} corrupt: bytes were lost or changed`] : []),
    ...(findings.underReplicatedMs > 0 ? [`a volume had too few synced replicas for ${findings.underReplicatedMs} ms`] : []),
    ...findings.leftovers,
    ...(vault === undefined ? [] : 'failure' in vault ? [`the act of the vault failed: ${vault.failure}`] : vault.problems),
    ...(seconds > o.secondsMax ? [`took ${seconds} s, and ${o.secondsMax} s are allowed`] : []),
  ];
  return {
    promoted: countPromoted(story),
    demoted: countDemoted(story),
    refused: Object.keys(story.refusals).length,
    recovered: countRecovered(story),
    failed,
    vault: vault === undefined || 'failure' in vault ? null : vault,
    bytesVerified: findings.bytesVerified,
    corrupt: findings.corrupt,
    underReplicatedMs: findings.underReplicatedMs,
    seconds,
    problems,
  };
}
