/** What the doctor looks at: Mayastor, which must answer, and the journal, which may be away or empty. */
import { journalBucket } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { discoverMayastor, type MayastorPlace, openMayastor } from '@couchestor/shared/mayastor/discover';
import { type Client, openClient } from '../client/with-bus.ts';
import { CliError } from '../errors.ts';
import type { Cluster, OpenMove } from './findings.ts';

/** Found, and read once. Whoever opens it closes the client. */
export interface OpenMayastor {
  readonly client: MayastorClient;
  readonly url: string;
  readonly cluster: Cluster;
  readonly poolCordon: boolean;
}

/** Throws MayastorError, naming what was tried. */
export async function openCluster(place: MayastorPlace, o: { timeoutMs: number }): Promise<OpenMayastor> {
  const url = place.mayastorUrl ?? (await discoverMayastor(place, o)).url;
  const client = openMayastor({ ...place, mayastorUrl: url }, { requestTimeoutMs: o.timeoutMs });
  try {
    const [cluster, { poolCordon }] = await Promise.all([readCluster(client), client.probeCapabilities()]);
    return { client, url, cluster, poolCordon };
  } catch (error) {
    await client.close();
    throw error;
  }
}

export async function readCluster(mayastor: Pick<MayastorClient, 'listPools' | 'listNodes' | 'listVolumes'>): Promise<Cluster> {
  const [pools, nodes, volumes] = await Promise.all([mayastor.listPools(), mayastor.listNodes(), mayastor.listVolumes()]);
  return { pools, nodes, volumes };
}

/** `away`: nobody listens at the address. `unreadable`: somebody does, so that a migrator may be at work, but the journal cannot be read. */
export type JournalView =
  | { readonly kind: 'away' | 'unreadable'; readonly why: string }
  | { readonly kind: 'read'; readonly open: readonly OpenMove[]; readonly client: Client };

export async function readJournal(o: Parameters<typeof openClient>[0]): Promise<JournalView> {
  let client: Client;
  try {
    client = await openClient(o);
  } catch (error) {
    return CliError.is(error, 'NOT_RUNNING')
      ? { kind: 'away', why: `nobody listens at ${String(error.facts['natsUrl'])}` }
      : { kind: 'unreadable', why: describeError(error) };
  }
  try {
    return { kind: 'read', client, open: await openMoves(client) };
  } catch (error) {
    await client.bus.close();
    return { kind: 'unreadable', why: describeError(error) };
  }
}

/**
 * Whether what belongs to no open move can be told from what a migrator needs: by the journal, or because somebody vouches with --force that
 * no migrator runs.
 */
export function movesKnown(journal: JournalView, { force }: { readonly force: boolean }): boolean {
  return journal.kind === 'read' || force;
}

/** Why the journal was not read, for people. */
export function unknownMoves({ kind, why }: Exclude<JournalView, { kind: 'read' }>): string {
  return kind === 'away' ? `NATS is away: ${why}` : `NATS listens, but whether a move is open could not be read: ${why}`;
}

export async function openMoves({ bus }: Pick<Client, 'bus'>): Promise<OpenMove[]> {
  const entries = await bus.bucket(journalBucket).entries();
  return entries.map(({ key, value }) => ({ moveId: value.request.moveId, volumeId: key, step: value.step }));
}

/** Moves that were open when the journal was read first, or are now: what was read in Mayastor in between belongs to one of these. */
export async function openAround(journal: JournalView): Promise<readonly OpenMove[]> {
  return journal.kind === 'read' ? [...(await openMoves(journal.client)), ...journal.open] : [];
}

export async function closeJournal(journal: JournalView): Promise<void> {
  if (journal.kind === 'read') {
    await journal.client.bus.close();
  }
}
