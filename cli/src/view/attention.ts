/** What is wrong with the policies, so far as somebody can do something about it. */
import type { PolicyView } from '@couchestor/shared/contracts/brain';

/** Conditions whose healthy state is True; any other condition names a problem and is healthy when False. */
const goodWhenTrue: ReadonlySet<string> = new Set([
  'Ready',
  'Valid',
  'Accepted',
  'Active',
  'MetricsAvailable',
  'MayastorReachable',
  'PoolsResolved',
  'Available',
]);

export function attention(policies: readonly PolicyView[]): { policy: string; text: string }[] {
  return policies.flatMap(({ name, conditions }) =>
    conditions
      .filter(({ type, status }) => (goodWhenTrue.has(type) ? status === 'False' : status === 'True'))
      .map(({ type, message }) => ({ policy: name, text: `${type}: ${message}` })),
  );
}
