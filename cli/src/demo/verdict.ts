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

export interface Verdict extends Pick<Findings, 'bytesVerified' | 'corrupt' | 'underReplicatedMs'> {
  readonly promoted: number;
  readonly demoted: number;
  readonly refused: number;
  readonly recovered: number;
  readonly failed: number;
  /** From the start of the stack, provisioning not counted, to the end of the verification. */
  readonly seconds: number;
  /** Empty where all went well. */
  readonly problems: readonly string[];
}

export function verdictOf(o: { story: Story; findings: Findings; seconds: number; secondsMax: number }): Verdict {
  const { story, findings, seconds } = o;
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
    ...(seconds > o.secondsMax ? [`took ${seconds} s, and ${o.secondsMax} s are allowed`] : []),
  ];
  return {
    promoted: countPromoted(story),
    demoted: countDemoted(story),
    refused: Object.keys(story.refusals).length,
    recovered: countRecovered(story),
    failed,
    bytesVerified: findings.bytesVerified,
    corrupt: findings.corrupt,
    underReplicatedMs: findings.underReplicatedMs,
    seconds,
    problems,
  };
}
