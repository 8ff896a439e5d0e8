/** Forgets the ledger of volumes that Mayastor has not shown for long: otherwise it would grow with every volume there ever was. */
import type { LedgerStore } from '../adapters/ledger-store.ts';
import type { RoundFacts } from '../domain/decide-volume.ts';

/** As long as finished moves are kept. */
const keptAfterMs = 30 * 86_400_000;
/** Of one round, so that it takes no noticeable time. */
const forgottenMax = 100;

export async function forgetVanishedVolumes({ ledger }: { ledger: LedgerStore }, { cluster, nowMs }: RoundFacts): Promise<void> {
  const old = [...ledger.entries()].filter(
    ({ value, writtenAt }) => value.pending === undefined && nowMs - writtenAt.getTime() > keptAfterMs,
  );
  if (old.length === 0 || cluster === undefined) {
    return;
  }
  const present = new Set(cluster.volumes.map(({ id }) => id));
  for (const { key } of old.filter((record) => !present.has(record.key)).slice(0, forgottenMax)) {
    await ledger.remove(key);
  }
}
