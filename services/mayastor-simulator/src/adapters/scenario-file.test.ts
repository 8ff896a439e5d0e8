import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { erasureCodingPolicySchema } from '@couchestor/shared/erasure-coding-policy';
import { storagePolicySchema } from '@couchestor/shared/storage-policy';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { phaseAt } from '../domain/load.ts';
import { parseScenario, readScenario } from './scenario-file.ts';

const localFolder = join(import.meta.dirname, '../../../../deploy/local');

const good = {
  nodes: [{ id: 'n1' }, { id: 'n2' }],
  pools: [
    { id: 'p1', node: 'n1', capacityBytes: '1GiB' },
    { id: 'p2', node: 'n1', capacityBytes: '1GiB' },
  ],
  volumes: [{ name: 'v', sizeBytes: '8MiB', replicas: 1, pools: ['p1'] }],
};

describe('a scenario file', () => {
  it.each([
    ['unknown field', { ...good, colour: 'red' }, 'Unrecognized key: "colour"'],
    [
      'a pool on no node',
      { ...good, pools: [{ ...good.pools[0], node: 'n9' }] },
      'pools[0].node: names node "n9", which nodes[] does not list',
    ],
    [
      'a size that is none',
      { ...good, volumes: [{ ...good.volumes[0], sizeBytes: '8 MB' }] },
      'volumes[0].sizeBytes: write bytes, or digits and KiB, MiB, GiB or TiB',
    ],
    [
      'a size that is no whole block',
      { ...good, volumes: [{ ...good.volumes[0], sizeBytes: 5000 }] },
      'volumes[0].sizeBytes: must be a multiple of 4096',
    ],
    [
      'too few pools',
      { ...good, volumes: [{ ...good.volumes[0], replicas: 2 }] },
      'volumes[0].pools: must name one pool per replica: 2, not 1',
    ],
    [
      'two replicas on a node',
      { ...good, volumes: [{ ...good.volumes[0], replicas: 2, pools: ['p1', 'p2'] }] },
      'lies on a node that holds another replica',
    ],
    ['a name used twice', { ...good, nodes: [{ id: 'n1' }, { id: 'n1' }] }, 'nodes[1].id: is used twice'],
  ])('with %s is refused by file, field and cure', (_what, scenario, message) => {
    expect(() => parseScenario(JSON.stringify(scenario), 'mine.yaml')).toThrow(message);
    expect(() => parseScenario(JSON.stringify(scenario), 'mine.yaml')).toThrow('file=mine.yaml');
  });

  it('that is no YAML, or not there, is refused', () => {
    expect(() => parseScenario('nodes: [', 'mine.yaml')).toThrow('not YAML');
    expect(() => readScenario('/no/such/file.yaml')).toThrow('SIM_SCENARIO_UNREADABLE');
  });

  it.each(['start.yaml', 'demo.yaml'])('%s is good, and its load stays below 5,000 IOPS', (name) => {
    const scenario = readScenario(join(localFolder, name));
    const loads = scenario.volumes.map((volume) => ({ phases: volume.load, repeats: volume.loadRepeats, startedAtMs: 0 }));
    const sumAt = (ms: number) => loads.reduce((sum, load) => sum + (phaseAt(load, ms)?.iops ?? 0), 0);
    const peak = Math.max(...Array.from({ length: 1_440 }, (_, step) => sumAt(step * 5_000)));
    expect(scenario.volumes.length).toBeGreaterThan(4);
    expect(peak).toBeLessThan(5_000);
  });

  it.each(['policies', 'demo-policies'])('the policies of %s are good and act', (folder) => {
    const files = readdirSync(join(localFolder, folder));
    expect(files.length).toBeGreaterThan(0);
    const documents = files.map((file): unknown => parse(readFileSync(join(localFolder, folder, file), 'utf8')));
    for (const document of documents) {
      if ((document as { kind?: string }).kind === 'ErasureCodingPolicy') {
        expect(erasureCodingPolicySchema.parse(document).spec.algorithm).toBe('ReedSolomon');
      } else {
        expect(storagePolicySchema.parse(document).spec.dryRun).toBe(false);
      }
    }
  });
});
