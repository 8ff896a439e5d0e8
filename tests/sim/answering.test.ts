/** What the migrator answers about its moves. */
import { answerMoves } from '@couchestor/migrator/handlers/answer-moves';
import { cancelMove, listMoves, showMove } from '@couchestor/shared/contracts/migrator';
import { beforeEach, describe, expect, it } from 'vitest';
import { atStep, type House, house, moveId, request, runToEnd, volumeId } from './house.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

let h: House;
let process: SimulatedMigrator;
const patience = { timeoutMs: 1_000 };

beforeEach(async () => {
  h = house({ seed: 1, replicas: 1 });
  process = h.start();
  await answerMoves(
    h.broker.bus(() => Promise.resolve()),
    { journal: process.deps.journal, clock: h.time.now },
  );
});

describe('the list of moves', () => {
  it('has open ones with where they stand, and finished ones with how they ended, the newest first', async () => {
    await runToEnd(h);
    await runToEnd(h, [], request({ moveId: 'm00000000000000aa', to: 'cold' }));
    await h.time.run(process.accept(request({ moveId: 'm00000000000000bb' })), Number.POSITIVE_INFINITY);
    const list = await process.deps.bus.call(listMoves, { finishedLimit: 10 }, patience);
    expect(list.open).toMatchObject([{ moveId: 'm00000000000000bb', volumeId, step: 'analyze', replicasMoved: 0 }]);
    expect(list.finished).toMatchObject([
      { moveId: 'm00000000000000aa', result: { outcome: 'success' } },
      { moveId, result: { outcome: 'success', code: 'MOVED' } },
    ]);
    const one = await process.deps.bus.call(listMoves, { finishedLimit: 1 }, patience);
    expect(one.finished).toMatchObject([{ moveId: 'm00000000000000aa' }]);
  });
});

describe('one move', () => {
  it('is shown with its story, by its id or its volume’s', async () => {
    await runToEnd(h);
    for (const id of [moveId, volumeId]) {
      const shown = await process.deps.bus.call(showMove, { move: id }, patience);
      expect(shown).toMatchObject({ move: { moveId, result: { code: 'MOVED' } } });
      expect(shown.story.map(({ step }) => step)).toEqual(expect.arrayContaining(['analyze', 'scale-up', 'wait-sync', 'scale-down']));
    }
  });

  it('that does not exist is an error that says where to look', async () => {
    await expect(process.deps.bus.call(showMove, { move: 'm00000000000000ff' }, patience)).rejects.toThrow(
      /MIG_UNKNOWN_MOVE.*migrations list/,
    );
  });
});

describe('cancelling a move', () => {
  it('is written down, and the move heeds it', async () => {
    let answered: Promise<unknown> = Promise.resolve();
    atStep(h, 'wait-sync', () => {
      answered = process.deps.bus.call(cancelMove, { move: volumeId }, patience);
    });
    await runToEnd(h);
    expect(await answered).toEqual({ moveId, message: 'The volume is brought back to what it was.' });
    expect(h.broker.published.at(-1)?.payload).toMatchObject({ result: { outcome: 'aborted', code: 'CANCELLED' } });
    // The wish is forgotten with the move.
    expect(await process.deps.journal.isCancelled(moveId)).toBe(false);
  });

  it('says so where the old replica goes already', async () => {
    let answered: Promise<unknown> = Promise.resolve();
    atStep(h, 'scale-down', () => {
      answered = process.deps.bus.call(cancelMove, { move: moveId }, patience);
    });
    await runToEnd(h);
    expect(await answered).toMatchObject({ message: expect.stringContaining('removed already') });
  });

  it('is refused for a move that has ended, and for one that there never was', async () => {
    await runToEnd(h);
    await expect(process.deps.bus.call(cancelMove, { move: moveId }, patience)).rejects.toThrow(/MIG_MOVE_ENDED/);
    await expect(process.deps.bus.call(cancelMove, { move: 'm00000000000000ff' }, patience)).rejects.toThrow(/MIG_UNKNOWN_MOVE/);
  });
});
