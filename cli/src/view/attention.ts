/** What is wrong with the policies, so far as somebody can do something about it. */
import type { PolicyView } from '@couchestor/shared/contracts/brain';

/** `Ready` is well when True; every other condition names a problem and is well when False. */
const readyType = 'Ready';

export interface Concern {
  readonly policy: string;
  readonly text: string;
}

/** A policy that is not ready repeats the problem that makes it so, which is told once; one that was switched off is no concern. */
export function attention(policies: readonly PolicyView[]): Concern[] {
  return policies.flatMap(({ name, enabled, phase, conditions }) => {
    if (!enabled && phase !== 'Error') {
      return [];
    }
    const problems = conditions.filter(({ type, status }) => type !== readyType && status === 'True');
    const unready = conditions.filter(
      ({ type, status, message }) => type === readyType && status === 'False' && problems.every((problem) => problem.message !== message),
    );
    return [...unready, ...problems].map(({ type, message }) => ({
      policy: name,
      text: `${type === readyType ? 'not ready' : type}: ${message}`,
    }));
  });
}
