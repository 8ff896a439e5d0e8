/** All checks of `couchestor doctor`, in the order in which they are told. */
import type { Check, Judgement } from './check.ts';
import { natsKeeps, redisKeeps } from './checks/brokers.ts';
import { crdsInstalled, rightsGiven } from './checks/kubernetes.ts';
import { mayastorAnswers, mayastorVersion } from './checks/mayastor.ts';
import { clocksAgree, exporterScraped } from './checks/measuring.ts';
import { pinnedClasses, pinnedVolumes } from './checks/pins.ts';
import { gateLabels, poolsInTiers } from './checks/pools.ts';
import { roomToGrow } from './checks/room.ts';
import type { Facts } from './facts.ts';

export const checks: readonly Check[] = [
  mayastorAnswers,
  mayastorVersion,
  poolsInTiers,
  gateLabels,
  pinnedClasses,
  pinnedVolumes,
  roomToGrow,
  exporterScraped,
  clocksAgree,
  crdsInstalled,
  rightsGiven,
  natsKeeps,
  redisKeeps,
];

export type Judged = Pick<Check, 'id' | 'asks'> & Judgement;

export function judgeAll(facts: Facts): readonly Judged[] {
  return checks.map(({ id, asks, judge }) => ({ id, asks, ...judge(facts) }));
}
