/** A simulator's parts without its servers: a fresh cluster from its scenario, or the one that its folder holds. */
import type { Logger } from '@couchestor/shared/logger';
import { ClusterStore, type StoredState } from './adapters/cluster-store.ts';
import { DataPlane } from './adapters/data-plane.ts';
import { type SimulatorClock, simulatorClock } from './clock.ts';
import { createCluster } from './domain/create-cluster.ts';
import type { Load } from './domain/load.ts';
import { uuidOfName } from './domain/random.ts';
import type { Scenario } from './domain/scenario.ts';
import { Engine } from './engine.ts';

export interface OpenSimulator {
  readonly engine: Engine;
  readonly dataPlane: DataPlane;
  readonly clock: SimulatorClock;
  /** Stores the state and closes all files. */
  close(): void;
}

export function openSimulator(o: {
  scenario: Scenario;
  dataDir: string;
  clockMode: 'real' | 'manual';
  startMs: number;
  logger: Logger;
}): OpenSimulator {
  const store = new ClusterStore(o.dataDir, o.scenario);
  store.claim();
  const dataPlane = new DataPlane(o.dataDir);
  try {
    const stored = store.load();
    const engine = stored === undefined ? freshEngine(o, { store, dataPlane }) : goOn(o, { store, dataPlane }, stored);
    return {
      ...engine,
      dataPlane,
      close: () => {
        engine.engine.save();
        dataPlane.close();
        store.release();
      },
    };
  } catch (error) {
    dataPlane.close();
    store.release();
    throw error;
  }
}

type Input = Parameters<typeof openSimulator>[0];
interface Parts {
  readonly store: ClusterStore;
  readonly dataPlane: DataPlane;
}

function freshEngine(o: Input, parts: Parts): { engine: Engine; clock: SimulatorClock } {
  const { cluster, effects } = createCluster(o.scenario, o.scenario.seed, o.startMs);
  const loads: Record<string, Load> = Object.fromEntries(
    o.scenario.volumes.map((volume) => [
      volume.uuid ?? uuidOfName(volume.name),
      { phases: volume.load, repeats: volume.loadRepeats, startedAtMs: o.startMs },
    ]),
  );
  const clock = simulatorClock(o.clockMode, o.startMs);
  const engine = new Engine({ cluster, loads, clock, logger: o.logger, ...parts });
  engine.begin(effects);
  return { engine, clock };
}

function goOn(o: Input, parts: Parts, stored: StoredState): { engine: Engine; clock: SimulatorClock } {
  const { cluster, loads } = stored;
  parts.dataPlane.recover(cluster);
  const clock = simulatorClock(o.clockMode, cluster.nowMs);
  return { engine: new Engine({ cluster, loads, clock, logger: o.logger, ...parts }), clock };
}
