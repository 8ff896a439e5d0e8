/** A simulator with real files and manual time, for tests. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import type { Volume } from './domain/cluster.ts';
import { volumeNameLabel } from './domain/create-cluster.ts';
import type { Scenario } from './domain/scenario.ts';
import { type OpenSimulator, openSimulator } from './open-simulator.ts';

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'mayastor-simulator-'));
}

export function openWithFiles(scenario: Scenario, dataDir = temporaryFolder()): OpenSimulator & { readonly dataDir: string } {
  return { ...openSimulator({ scenario, dataDir, clockMode: 'manual', startMs: 0, logger: quietLogger() }), dataDir };
}

export function volumeNamed({ engine }: OpenSimulator, name = 'data'): Volume {
  const found = Object.values(engine.cluster.volumes).find((volume) => volume.labels[volumeNameLabel] === name);
  if (found === undefined) {
    throw new Error(`no volume ${name}`);
  }
  return found;
}

export async function setCount(simulator: OpenSimulator, count: number, name = 'data'): Promise<number | 'never'> {
  const answer = await simulator.engine.call({
    method: 'PUT',
    path: `/v0/volumes/${volumeNamed(simulator, name).uuid}/replica_count/${count}`,
  });
  return answer === 'never' ? answer : answer.status;
}
