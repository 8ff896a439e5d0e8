/** What a StorageClass of Mayastor asks of the places of its volumes. Pure. */
import type { StorageClassFacts } from './facts.ts';

const provisioner = 'io.openebs.csi-mayastor';

/** As Mayastor spells them: a parameter in another case is ignored, and the volume goes anywhere. */
export const topologyParameters = [
  'poolAffinityTopologyLabel',
  'poolHasTopologyKey',
  'nodeAffinityTopologyLabel',
  'nodeHasTopologyKey',
  'nodeSpreadTopologyKey',
] as const;

export function isMayastorClass({ provisioner: found }: StorageClassFacts): boolean {
  return found === provisioner;
}

/** One key a line. */
export function gateKeysOf({ parameters }: StorageClassFacts): string[] {
  return linesOf(parameters['poolHasTopologyKey']);
}

/** The labels with values that a pool, or a node, must have: one `key: value` a line. */
export function pinsOf({ parameters }: StorageClassFacts, on: 'pool' | 'node'): Readonly<Record<string, string>> {
  return Object.fromEntries(
    linesOf(parameters[`${on}AffinityTopologyLabel`]).flatMap((line) => {
      const [key = '', ...value] = line.split(':');
      return value.length === 0
        ? []
        : [
            [
              key.trim(),
              value
                .join(':')
                .trim()
                .replaceAll(/^["']|["']$/g, ''),
            ],
          ];
    }),
  );
}

/** Parameters that are ignored because of their spelling. */
export function misspeltParameters({ parameters }: StorageClassFacts): string[] {
  return Object.keys(parameters).filter(
    (name) =>
      !topologyParameters.some((known) => known === name) && topologyParameters.some((known) => known.toLowerCase() === name.toLowerCase()),
  );
}

function linesOf(text: string | undefined): string[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
