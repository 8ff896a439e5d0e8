/** Whether there is a measurement of a volume that may be decided on. Whatever is not surely one is unknown, never zero (S4). */
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { formatDuration } from '@couchestor/shared/duration';
import type { RuleCode } from './rules.ts';
import { type CompleteRound, freshRounds, isFresh } from './samples.ts';
import { formatIops } from './words.ts';

/** Least part of the window that must have been measured. */
export const coverageMin = 0.8;

export type Measurement =
  | { readonly known: true; readonly iops: number; readonly words: string }
  | { readonly known: false; readonly rule: RuleCode; readonly words: string };

export function measure(o: {
  readonly round: CompleteRound | undefined;
  readonly sample: VolumeSample | undefined;
  readonly published: boolean;
  readonly windowText: string;
  readonly nowMs: number;
}): Measurement {
  const { round, sample } = o;
  if (round === undefined) {
    return unknown('NO_ROUND', `no complete round of samples over ${o.windowText} has arrived yet`);
  }
  if (!isFresh(round, o.nowMs)) {
    const age = formatDuration(o.nowMs - round.publishedAtMs);
    return unknown(
      'SAMPLE_STALE',
      `the newest samples are ${age} old, and older than ${freshRounds} rounds of ${formatDuration(round.roundIntervalMs)} nothing is decided`,
    );
  }
  if (sample === undefined) {
    return unknown('NO_SAMPLE', `round ${round.round} of the samples over ${o.windowText} does not hold the volume`);
  }
  switch (sample.status) {
    case 'unknown':
      return unknown('NOT_MEASURED', sample.reason);
    case 'idle':
      return o.published
        ? unknown('PUBLISHED_SINCE', 'it was not published when it was measured and has been since: its load is not known yet')
        : { known: true, iops: 0, words: 'it is not published, so it does no work' };
    case 'measured':
      return sample.coverage < coverageMin
        ? unknown(
            'LOW_COVERAGE',
            `only ${Math.floor(sample.coverage * 100)} % of the last ${o.windowText} was measured, ${coverageMin * 100} % are needed`,
          )
        : {
            known: true,
            iops: sample.iops,
            words: `mean over ${o.windowText} is ${formatIops(sample.iops)} IOPS (${formatIops(sample.readIops)} read, ${formatIops(sample.writeIops)} write)`,
          };
  }
}

function unknown(rule: RuleCode, words: string): Measurement {
  return { known: false, rule, words };
}
