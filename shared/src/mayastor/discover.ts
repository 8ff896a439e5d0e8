/**
 * Where Mayastor's REST API is: as configured, else under the names that its Helm charts give its service.
 *
 * With a CA the service is looked for by TLS alone: whoever names one does not want an answer from a port that proves nothing.
 */
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { MayastorClient } from './client.ts';
import { MayastorError } from './errors.ts';

export interface MayastorPlace {
  readonly mayastorUrl: string | undefined;
  readonly mayastorNamespace: string;
  readonly mayastorCaFile: string | undefined;
  readonly mayastorTokenFile: string | undefined;
}

export interface TriedAddress {
  readonly url: string;
  /** Undefined where Mayastor answered. */
  readonly problem: string | undefined;
}

const services = ['openebs-api-rest', 'mayastor-api-rest'];
const namespaceOfCharts = 'openebs';

/** All addresses to try, the one that wins first. */
export function mayastorCandidates(place: MayastorPlace): readonly string[] {
  if (place.mayastorUrl !== undefined) {
    return [place.mayastorUrl];
  }
  const [scheme, port] = place.mayastorCaFile === undefined ? ['http', 8081] : ['https', 8080];
  return [...new Set([place.mayastorNamespace, namespaceOfCharts])].flatMap((namespace) =>
    services.map((service) => `${scheme}://${service}.${namespace}.svc.cluster.local:${port}`),
  );
}

/**
 * Asks all candidates at once and takes the first in their order that is Mayastor. Throws MayastorError UNREACHABLE, naming all that were
 * tried and what came of each.
 * @param o.candidates in place of the well-known names, for tests
 */
export async function discoverMayastor(
  place: MayastorPlace,
  o: { timeoutMs: number; candidates?: readonly string[] },
): Promise<{ readonly url: string; readonly tried: readonly TriedAddress[] }> {
  const asked = (o.candidates ?? mayastorCandidates(place)).map((url) => ({ url, problem: problemOf({ ...place, url }, o.timeoutMs) }));
  const tried: TriedAddress[] = [];
  for (const { url, problem } of asked) {
    tried.push({ url, problem: await problem });
    if (tried.at(-1)?.problem === undefined) {
      return { url, tried };
    }
  }
  throw new MayastorError('UNREACHABLE', {
    method: 'GET',
    path: '/nodes',
    tried: tried.map(({ url, problem }) => `${url}: ${problem}`).join('; '),
  });
}

/** A client of the configured Mayastor, which looks for it at the first call where no URL is given. */
export function openMayastor(place: MayastorPlace, o: { requestTimeoutMs: number; logger?: Logger }): MayastorClient {
  const { mayastorUrl, mayastorCaFile: caFile, mayastorTokenFile: tokenFile } = place;
  const locate = async (): Promise<string> => {
    // Half of a call's deadline, so that there is as much left for the call.
    const { url } = await discoverMayastor(place, { timeoutMs: Math.ceil(o.requestTimeoutMs / 2) });
    o.logger?.info({ url }, 'Mayastor answers here');
    return url;
  };
  if (tokenFile !== undefined && !(mayastorUrl ?? mayastorCandidates(place)[0])?.startsWith('https:')) {
    o.logger?.warn("Mayastor's token is sent without TLS: give an https:// --mayastor-url, or --mayastor-ca-file");
  }
  return new MayastorClient({ ...o, url: mayastorUrl ?? locate, caFile, tokenFile });
}

async function problemOf(
  { url, mayastorCaFile: caFile, mayastorTokenFile: tokenFile }: MayastorPlace & { url: string },
  timeoutMs: number,
): Promise<string | undefined> {
  const client = new MayastorClient({ url, requestTimeoutMs: timeoutMs, caFile, tokenFile });
  try {
    await client.listNodes();
    return undefined;
  } catch (error) {
    return isMayastorsAnswer(error) ? undefined : shortProblem(error);
  } finally {
    await client.close();
  }
}

/** An error in Mayastor's own words, or its wish for a token, says where it is as well as nodes do. */
function isMayastorsAnswer(error: unknown): boolean {
  return MayastorError.is(error) && (error.facts['kind'] !== undefined || error.facts['status'] === 401 || error.facts['status'] === 403);
}

function shortProblem(error: unknown): string {
  const { problem = undefined, status = undefined } = MayastorError.is(error) ? error.facts : {};
  const words = problem === undefined ? (status === undefined ? describeError(error) : `HTTP ${status}`) : String(problem);
  // The causes say the same again, in the resolver's words.
  return words.split(': caused by ')[0] ?? words;
}
