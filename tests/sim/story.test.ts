/** What the story of a move tells afterwards: who did what, what Mayastor answered, and when. */
import { addFault } from '@couchestor/mayastor-simulator/domain/handle';
import { faultSchema } from '@couchestor/mayastor-simulator/domain/request';
import { finishedMovesBucket, type StoryLine } from '@couchestor/shared/contracts/migrator';
import { expect, it } from 'vitest';
import { ends, expectNothingLeft, gateKey, type House, house, moveId, request, runToEnd } from './house.ts';

async function storyOf(h: House): Promise<StoryLine[]> {
  const bus = h.broker.bus(() => Promise.resolve());
  return (await bus.bucket(finishedMovesBucket).get(moveId))?.value.story ?? [];
}

it('tells each call that changes Mayastor between the steps, with its answer and how long it took', async () => {
  const h = house({ seed: 1, gateKey: true, replicas: 1 });
  await runToEnd(h);
  expect(ends(h)).toEqual(['success MOVED']);
  const story = await storyOf(h);
  const calls = story.flatMap(({ text, call }) => (call === undefined ? [] : [text.replace(/m[0-9a-f]{16}/, '<move>')]));
  expect(calls.filter((text) => text.startsWith('set num_replicas'))).toEqual(['set num_replicas to 2', 'set num_replicas to 1']);
  expect(calls).toContain('cordon pool pool-warm-6');
  expect(calls).toContain('uncordon pool pool-warm-6');
  expect(calls).toContain(`take label ${gateKey} off pool pool-cold-3`);
  expect(calls).toContain(`put label ${gateKey}=true back on pool pool-cold-3`);
  // The last thing that a move does comes after its last record: it is told all the same.
  expect(calls.at(-1)).toMatch(/^unmark pool pool-hot-\d \(couchestor-move-/);
  for (const { call } of story.filter((line) => line.text.startsWith('set num_replicas'))) {
    expect(call?.answer).toBe('done');
    expect(call?.tookMs).toBeGreaterThan(0);
  }
  expect(story.map(({ at }) => at)).toEqual(story.map(({ at }) => at).sort());
  await expectNothingLeft(h);
});

it('tells a refusal in the words of Mayastor, and that the step was tried again', async () => {
  const h = house({ seed: 2 });
  const unanswered = { match: { method: 'PUT', pathPattern: '/v0/pools/*/cordon' }, answer: 503, applied: true };
  addFault(h.world.model, faultSchema.parse(unanswered));
  await runToEnd(h);
  expect(ends(h)).toEqual(['success MOVED']);
  const story = await storyOf(h);
  expect(story.find(({ call }) => call?.answer.startsWith('MAYASTOR_AMBIGUOUS 503'))?.text).toMatch(/^cordon pool /);
  expect(story.some(({ text }) => text.startsWith('Could not be done, tried again'))).toBe(true);
});

it('names every process that had the move in hand', async () => {
  const h = house({ seed: 3 });
  await runToEnd(h, [60], request());
  const runs = (await storyOf(h)).filter(({ text }) => text.startsWith('Run by'));
  expect(runs.length).toBeGreaterThanOrEqual(2);
});
