import type { FinishedMove, MoveOutcome } from '@couchestor/shared/contracts/migration';
import type { Tier } from '@couchestor/shared/tiers';
import { describe, expect, it } from 'vitest';
import { countDemoted, countPromoted, emptyStory, goalsOf, type Story, withMove } from './story.ts';
import { type Findings, type VaultReport, verdictOf } from './verdict.ts';

const first = '11111111-2222-4333-8444-555555555555';
const second = '22222222-2222-4333-8444-555555555555';

function move(
  volumeId: string,
  from: Tier | 'mixed',
  to: Tier,
  o: { outcome?: MoveOutcome; moveId?: string; message?: string } = {},
): FinishedMove {
  return {
    moveId: o.moveId ?? `${volumeId} ${from} ${to}`,
    volumeId,
    policy: 'demo',
    from,
    to,
    triggerIops: 1,
    startedAt: '2025-01-01T00:00:00Z',
    finishedAt: '2025-01-01T00:00:01Z',
    result: { outcome: o.outcome ?? 'success', code: 'X', message: o.message ?? 'done', replicasMoved: 1, bytesMoved: 1 },
  };
}

function tell(...moves: FinishedMove[]): Story {
  return moves.reduce(withMove, emptyStory);
}

const complete: Story = {
  ...tell(
    move(first, 'cold', 'hot', { moveId: 'killed' }),
    move(second, 'hot', 'warm'),
    move(second, 'warm', 'cold'),
    move('third', 'cold', 'hot', { outcome: 'refused', message: 'no free node' }),
  ),
  interrupted: { moveId: 'killed', volumeId: first },
};
const clean: Findings = { bytesVerified: 4096, corrupt: 0, underReplicatedMs: 0, leftovers: [] };

function problems(story: Story, findings: Partial<Findings> = {}, seconds = 60): readonly string[] {
  return verdictOf({ story, findings: { ...clean, ...findings }, vault: undefined, seconds, secondsMax: 90 }).problems;
}

const vaultReport: VaultReport = {
  bytesWritten: 8192,
  bytesVerified: 8192,
  mismatches: 0,
  drivesFailed: 2,
  reconstructions: 3,
  stripesRebuilt: 1,
  survives: 'survives any 2 of 6 drives',
  seconds: 5,
  problems: [],
};

describe('the demonstration', () => {
  it('passes when everything was seen and nothing was lost', () => {
    expect(verdictOf({ story: complete, findings: clean, vault: undefined, seconds: 60, secondsMax: 90 })).toEqual({
      promoted: 1,
      demoted: 2,
      refused: 1,
      recovered: 1,
      failed: 0,
      vault: null,
      bytesVerified: 4096,
      corrupt: 0,
      underReplicatedMs: 0,
      seconds: 60,
      problems: [],
    });
  });

  it('tells of its vault, and fails where that lost something or could not be tried', () => {
    const judged = (vault: VaultReport | { failure: string }) =>
      verdictOf({ story: complete, findings: clean, vault, seconds: 60, secondsMax: 90 });
    expect(judged(vaultReport)).toMatchObject({ vault: vaultReport, problems: [] });
    expect(judged({ ...vaultReport, problems: ['1 blocks were wrong'] }).problems).toEqual(['1 blocks were wrong']);
    expect(judged({ failure: 'no answer' })).toMatchObject({ vault: null, problems: ['the act of the vault failed: no answer'] });
  });

  it('names each thing that did not happen', () => {
    expect(problems(emptyStory)).toHaveLength(goalsOf(emptyStory).length);
    expect(problems({ ...complete, interrupted: undefined })).toEqual([
      'did not happen in time: a move whose migrator was killed in its middle ends well',
    ]);
    expect(problems({ ...complete, refusals: {} })).toEqual(['did not happen in time: a volume cannot move and says why']);
  });

  it('wants hot to warm to cold of one volume, in this order', () => {
    const reached = (...moves: FinishedMove[]): boolean | undefined => goalsOf(tell(...moves))[1]?.reached;
    expect(reached(move(first, 'hot', 'warm'), move(second, 'warm', 'cold'))).toBe(false);
    expect(reached(move(first, 'warm', 'cold'), move(first, 'hot', 'warm'))).toBe(false);
    expect(reached(move(first, 'cold', 'hot'), move(first, 'hot', 'warm'), move(first, 'warm', 'cold'))).toBe(true);
  });

  it('does not take a killed move that was rolled back for a recovered one', () => {
    const story = {
      ...tell(move(first, 'cold', 'hot', { moveId: 'killed', outcome: 'failed' })),
      interrupted: { moveId: 'killed', volumeId: first },
    };
    expect(goalsOf(story)[3]?.reached).toBe(false);
  });

  it.each([
    [{ corrupt: 1 }, /1 corrupt/],
    [{ bytesVerified: 0 }, /no byte was verified/],
    [{ underReplicatedMs: 1 }, /too few synced replicas/],
    [{ leftovers: ['pool p1 is still cordoned'] }, /pool p1 is still cordoned/],
  ] as const)('fails over %j', (findings, problem) => {
    expect(problems(complete, findings)).toEqual([expect.stringMatching(problem)]);
  });

  it('fails where it took too long', () => {
    expect(problems(complete, {}, 91)).toEqual(['took 91 s, and 90 s are allowed']);
  });

  it('counts a move once, however often its end is told, and a repair neither up nor down', () => {
    const again = tell(
      move(first, 'cold', 'hot'),
      move(first, 'cold', 'hot'),
      move(second, 'mixed', 'hot'),
      move('third', 'mixed', 'cold'),
    );
    expect([countPromoted(again), countDemoted(again)]).toEqual([1, 0]);
  });
});
