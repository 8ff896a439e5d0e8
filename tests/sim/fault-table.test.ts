/** Every event of the fault table happens at every step, and the move ends as its cell says, with nothing lost and nothing left behind. */
import { endings } from '@couchestor/migrator/domain/endings';
import { moveSteps } from '@couchestor/shared/contracts/migration';
import { journalBucket } from '@couchestor/shared/contracts/migrator';
import { describe, expect, it } from 'vitest';
import { happenings } from './fault-events.ts';
import { type Played, play, replicasBefore } from './fault-scene.ts';
import { type FaultEvent, faultEvents, faultTable, type PossibleCell } from './fault-table.ts';
import { finished, leftIn, syncedOf, volumeId } from './house.ts';

const events = Object.keys(faultEvents) as FaultEvent[];
/** Every other event with the gate label as the step begins and with node cordons in the midst of its calls; the others the other way round. */
const worlds = [
  [
    { moment: 'beginning', labelBias: true, seed: 1 },
    { moment: 'amid', labelBias: false, seed: 2 },
  ],
  [
    { moment: 'beginning', labelBias: false, seed: 3 },
    { moment: 'amid', labelBias: true, seed: 4 },
  ],
] as const;
const keptOld: readonly string[] = Object.entries(endings)
  .filter(([, { outcome }]) => outcome === 'kept-old')
  .map(([code]) => code);

describe.each(moveSteps)('at %s', (step) => {
  it.each(events)('%s', async (event) => {
    const cell = faultTable[step][event];
    const played: Played[] = [];
    for (const world of worlds[(moveSteps.indexOf(step) + events.indexOf(event)) % 2] ?? []) {
      const one = await play({ step, ...world, happen: happenings[event] });
      expect({ ...world, reached: one.scene !== undefined }).toEqual({ ...world, reached: true });
      played.push(one);
    }
    const happened = played.filter((one) => one.happened);
    expect(happened.length > 0).toBe('ends' in cell);
    for (const one of happened) {
      expect(await comesOut(one, cell as PossibleCell)).toEqual(shouldComeOut(one, cell as PossibleCell));
    }
  });
});

function endsOf({ h }: Played): string[] {
  const codes = [...new Set(finished(h).map(({ result }) => result.code))];
  return codes.length === 0 ? ['NO_END_TOLD'] : codes;
}

async function comesOut(one: Played, { ends }: PossibleCell) {
  const { h, scene } = one;
  const { breaches, model } = h.world;
  const volume = model.volumes[volumeId];
  const open = await h.broker
    .bus(() => Promise.resolve())
    .bucket(journalBucket)
    .entries();
  return {
    // S1 and S2: after no call of ours were there fewer synced replicas than before and than n.
    breaches,
    otherEnds: endsOf(one).filter((code) => !(ends as readonly string[]).includes(code)),
    ends: endsOf(one).length,
    openMoves: open.length,
    // S3: nothing of ours is left, and what is somebody else's stands.
    left: (await leftIn(h)).map((line) => line.replace(/^kept mark on .*/, 'a kept mark')).sort(),
    checks: scene?.checks.map((holds) => holds()),
    numReplicas: volume?.numReplicas,
    replicas: volume?.replicas.length,
    synced: volume === undefined ? undefined : syncedOf(h),
  };
}

function shouldComeOut(one: Played, cell: PossibleCell): Awaited<ReturnType<typeof comesOut>> {
  const { h, scene } = one;
  const kept = endsOf(one).some((code) => keptOld.includes(code));
  const before = replicasBefore + (kept ? 1 : 0);
  const count = h.world.model.volumes[volumeId] === undefined ? undefined : cell.theirs ? scene?.asked : before;
  return {
    breaches: [],
    otherEnds: [],
    ends: 1,
    openMoves: 0,
    left: [...(scene?.theirs ?? []), ...(kept ? ['a kept mark'] : [])].sort(),
    checks: scene?.checks.map(() => true),
    numReplicas: count,
    replicas: count,
    synced: count,
  };
}
