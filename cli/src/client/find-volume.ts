/** From what a person typed to one volume. */
import { listVolumes, type VolumeView } from '@couchestor/shared/contracts/brain';
import { didYouMean } from '@couchestor/shared/did-you-mean';
import { CliError } from '../errors.ts';
import type { Client } from './with-bus.ts';

/** A page stays well below NATS' 1 MiB, long reasons included. */
const pageMax = 400;
/** Far above what one cluster holds; only so that a broken answer cannot keep us asking for ever. */
const pagesMax = 10_000;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export async function allVolumes(client: Pick<Client, 'ask'>): Promise<VolumeView[]> {
  const found: VolumeView[] = [];
  for (let after: string | undefined, page = 0; page < pagesMax; page += 1) {
    const { volumes, next } = await client.ask(listVolumes, after === undefined ? { limit: pageMax } : { after, limit: pageMax });
    found.push(...volumes);
    if (next === undefined) {
      break;
    }
    after = next;
  }
  return found;
}

/** The id of the volume that `text` names: its id, its PV's name, its own name, or a unique beginning of one of them. */
export async function findVolumeId(client: Pick<Client, 'ask'>, text: string): Promise<string> {
  return uuid.test(text) ? text.toLowerCase() : matchVolume(await allVolumes(client), text).volumeId;
}

/** Throws CLI_UNKNOWN_VOLUME with near matches, or with all candidates where the beginning is not unique. */
export function matchVolume(
  volumes: readonly Pick<VolumeView, 'volumeId' | 'name'>[],
  text: string,
): Pick<VolumeView, 'volumeId' | 'name'> {
  const namesOf = ({ volumeId, name }: Pick<VolumeView, 'volumeId' | 'name'>): string[] => [volumeId, name, `pvc-${volumeId}`];
  const exact = volumes.find((volume) => namesOf(volume).includes(text));
  if (exact !== undefined) {
    return exact;
  }
  const beginning = volumes.filter((volume) => namesOf(volume).some((name) => name.startsWith(text)));
  const [only] = beginning;
  if (only !== undefined && beginning.length === 1) {
    return only;
  }
  if (only !== undefined) {
    throw new CliError('UNKNOWN_VOLUME', { asked: text, severalBeginSo: list(beginning) });
  }
  const meant = didYouMean(text, volumes.flatMap(namesOf));
  const containing = volumes.filter((volume) => namesOf(volume).some((name) => name.includes(text)));
  const didMean = meant ?? (containing.length > 0 ? list(containing) : undefined);
  throw new CliError('UNKNOWN_VOLUME', {
    asked: text,
    didYouMean: didMean,
    known: didMean === undefined ? list(volumes) || 'none yet' : undefined,
  });
}

function list(volumes: readonly Pick<VolumeView, 'volumeId' | 'name'>[]): string {
  const shown = volumes.slice(0, 8).map(({ volumeId, name }) => (name === volumeId ? volumeId : `${name} (${volumeId})`));
  return `${shown.join(', ')}${volumes.length > shown.length ? `, and ${volumes.length - shown.length} more` : ''}`;
}
