/**
 * Which sampling windows are measured: at most eight, whatever the number of volumes.
 *
 * A window that is in use stays in use while a policy asks for it; free places go to the other policies in the order of their names. So
 * which policy comes ninth depends on what is in use and on names, never on the order in which files happened to be read, and a new policy
 * never takes an older one's window away.
 */
import { windowsMax } from '@couchestor/shared/contracts/brain';

export function chooseWindows(
  wanted: readonly { readonly policy: string; readonly windowSeconds: number }[],
  inUse: readonly number[],
): number[] {
  const asked = new Set(wanted.map(({ windowSeconds }) => windowSeconds));
  const chosen = new Set(inUse.filter((windowSeconds) => asked.has(windowSeconds)).slice(0, windowsMax));
  for (const { windowSeconds } of [...wanted].sort((left, right) => (left.policy < right.policy ? -1 : 1))) {
    if (chosen.size < windowsMax) {
      chosen.add(windowSeconds);
    }
  }
  return [...chosen].sort((left, right) => left - right);
}
