/** How many volumes of a round could not be measured because Prometheus failed. Pure. */
import type { PrometheusTrouble } from './policy-status.ts';
import type { CompleteRound } from './samples.ts';

/** The watcher's errors about Prometheus have this in their code, which stands in the sample's reason. */
const ofPrometheus = /\bPROM_[A-Z_]+/;

export function prometheusTrouble(round: CompleteRound | undefined): PrometheusTrouble | undefined {
  let volumes = 0;
  let of = 0;
  let example = '';
  for (const sample of round?.samples.values() ?? []) {
    of += sample.status === 'idle' ? 0 : 1;
    if (sample.status === 'unknown' && ofPrometheus.test(sample.reason)) {
      volumes += 1;
      example = sample.reason;
    }
  }
  return volumes === 0 ? undefined : { volumes, of, example };
}
