/** A move in a world in which one thing happens at one step: played until everything has come to rest. */
import type { MoveStep } from '@couchestor/shared/contracts/migration';
import { CodedError } from '@couchestor/shared/errors';
import { atStep, cancel, type House, house, pass, request, sweep, volumeId } from './house.ts';
import { SimulatedBrain } from './simulated-brain.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

const limitMs = 4 * 3_600_000;
/** Longer than anything that is over after a while. */
const syncTimeoutMs = 900_000;
export const replicasBefore = 2;

export interface Place {
  readonly pool: string;
  readonly node: string;
}

/** What an event finds: the world, and the places of the replica in hand. */
export interface Scene {
  readonly h: House;
  readonly brain: SimulatedBrain;
  /** The process that runs the move when the event happens. */
  readonly process: SimulatedMigrator;
  readonly source: Place;
  readonly destination: Place;
  /** Where the old replica lies that is not in hand. */
  readonly other: Place;
  readonly labelBias: boolean;
  /** Lines of what is somebody else's and must still be there at the end, as `leftIn` tells them. */
  readonly theirs: string[];
  /** What else must hold at the end. */
  readonly checks: (() => boolean)[];
  /** How many replicas somebody else asked for last, where anybody did. */
  asked?: number;
}

export interface Play {
  readonly step: MoveStep;
  readonly seed: number;
  readonly labelBias: boolean;
  /** Right after the step was written and before its first call, or in the middle of its calls. */
  readonly moment: 'beginning' | 'amid';
  /** False: it cannot happen in this scene. */
  readonly happen: (scene: Scene) => boolean;
}

/** In the middle of a step's calls, or of what it waits for. */
const amidMs: Record<MoveStep, number> = {
  analyze: 2,
  'gate-grow': 8,
  'scale-up': 100,
  'ungate-grow': 6,
  'wait-sync': 3_000,
  'gate-shrink': 4,
  'scale-down': 100,
  'ungate-shrink': 4,
  'gate-rollback': 4,
  'roll-back': 100,
  'ungate-rollback': 4,
  finish: 4,
};

export interface Played {
  readonly h: House;
  readonly happened: boolean;
  readonly scene: Scene | undefined;
}

export async function play(o: Play): Promise<Played> {
  const asked = request({ syncTimeoutMs });
  const h = house({ seed: o.seed, gateKey: o.labelBias, replicas: replicasBefore });
  const brain = new SimulatedBrain(h.broker, asked);
  if (['gate-rollback', 'roll-back', 'ungate-rollback'].includes(o.step)) {
    atStep(h, 'wait-sync', () => cancel(h));
  }
  const process = h.start();
  const places = followPlaces(h);
  let happened = false;
  let scene: Scene | undefined;
  const happen = (): void => {
    scene = { h, brain, process, ...places(), labelBias: o.labelBias, theirs: [], checks: [] };
    happened = o.happen(scene);
  };
  atStep(h, o.step, () => (o.moment === 'beginning' ? happen() : void h.time.sleep(amidMs[o.step]).then(happen)));
  const work = process
    .accept(asked)
    .then(() => process.run(asked))
    .catch(onlyCoded);
  await h.time.run(Promise.race([work, process.died]), limitMs);
  await rest(h);
  return { h, happened, scene };
}

/** Sweeps as they come every so often, and enough time for Mayastor to heal what it can. */
async function rest(h: House): Promise<void> {
  const { settings } = h.world.model;
  const { cacheLagMs } = settings;
  for (const ms of [60_000, 60_000, 900_000]) {
    // Nobody reads meanwhile, and a look at everything every second takes its time.
    Object.assign(settings, { cacheLagMs: 20_000 });
    await pass(h, ms - 30_000);
    Object.assign(settings, { cacheLagMs });
    await pass(h, 30_000);
    await sweep(h);
  }
  await pass(h, 30_000);
}

/** A process gives up on what the broker does not do; anything else is a fault of the test. */
function onlyCoded(error: unknown): void {
  if (!(error instanceof CodedError)) {
    throw error;
  }
}

/** The source and the destination of the replica in hand: by the plan where there is one, else as the plan will be. */
function followPlaces(h: House): () => { source: Place; destination: Place; other: Place } {
  const { model } = h.world;
  const nodes = new Map(Object.values(model.pools).map(({ id, node }) => [id, node]));
  const placeOf = (pool: string): Place => ({ pool, node: nodes.get(pool) ?? '' });
  const old = Object.values(model.replicas)
    .filter(({ volume }) => volume === volumeId)
    .sort((left, right) => (left.uuid < right.uuid ? -1 : 1))
    .map(({ pool }) => pool);
  const places = { source: placeOf(old[0] ?? ''), destination: placeOf('pool-hot-1') };
  const before = h.broker.onPublished;
  h.broker.onPublished = (message) => {
    before(message);
    const { sourcePool, destinationPool } = message.payload as { sourcePool?: string; destinationPool?: string };
    if (message.type === 'migration.advanced' && sourcePool !== undefined && destinationPool !== undefined) {
      Object.assign(places, { source: placeOf(sourcePool), destination: placeOf(destinationPool) });
    }
  };
  return () => ({ ...places, other: placeOf(old.find((pool) => pool !== places.source.pool) ?? '') });
}
