/** From what a person typed to one volume: its id, PV name or name, or a beginning of one of them that no other volume has. */
import type { Brain } from '../brain.ts';
import type { KnownVolume } from '../domain/known-volume.ts';
import { BrainError } from '../errors.ts';

const candidatesShown = 5;

export function findVolume({ cluster }: Brain, text: string): KnownVolume {
  if (cluster === undefined) {
    throw new BrainError('NOT_READY');
  }
  const wanted = text.toLowerCase();
  const namesOf = ({ id, pvName, name }: KnownVolume) => [id, pvName, name.toLowerCase()];
  const exact = cluster.volumes.filter((volume) => namesOf(volume).includes(wanted));
  const found = exact.length > 0 ? exact : cluster.volumes.filter((volume) => namesOf(volume).some((name) => name.startsWith(wanted)));
  const [only, second] = found;
  if (only === undefined) {
    throw new BrainError('UNKNOWN_VOLUME', { volume: text, volumes: cluster.volumes.length });
  }
  if (second !== undefined) {
    const shown = found.slice(0, candidatesShown).map(({ id, name }) => `${name} (${id})`);
    throw new BrainError('AMBIGUOUS_VOLUME', { volume: text, found: found.length, candidates: shown.join(', ') });
  }
  return only;
}
