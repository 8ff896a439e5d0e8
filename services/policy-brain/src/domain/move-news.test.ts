import { moveOutcomes } from '@couchestor/shared/contracts/migration';
import { describe, expect, it } from 'vitest';
import { finishedMove, requestFor } from '../testing/fixtures.ts';
import { eventReasons, moveEvent } from './move-news.ts';

describe('news of a move', () => {
  it('tells that it started, with the reason of the decision', () => {
    const event = moveEvent({ kind: 'started', request: requestFor() });
    expect(event).toMatchObject({ type: 'Normal', reason: 'MigrationStarted', policy: 'gold' });
    expect(event?.words('shop/orders')).toBe('shop/orders moves from cold to hot: mean over 1h is 6000 IOPS (m0123456789abcdef)');
  });

  it.each([
    ['success', 'MigrationSucceeded', 'Normal'],
    ['failed', 'MigrationFailed', 'Warning'],
    ['aborted', 'MigrationAborted', 'Warning'],
    ['refused', 'MigrationRefused', 'Warning'],
    ['kept-old', 'OldReplicaKept', 'Warning'],
  ] as const)('tells that it ended as %s', (outcome, reason, type) => {
    const event = moveEvent({ kind: 'finished', move: finishedMove(outcome) });
    expect(event).toMatchObject({ reason, type });
    expect(event?.words('shop/orders')).toContain(`It ended as ${outcome}.`);
  });

  it('says nothing where nothing was begun', () => {
    expect(moveEvent({ kind: 'finished', move: finishedMove('no-op') })).toBeUndefined();
  });

  it('has reasons that Kubernetes takes, and an end of each kind or none', () => {
    expect(Object.keys(eventReasons).filter((reason) => !/^([A-Z][a-z]+)+$/.test(reason))).toEqual([]);
    const told = moveOutcomes.map((outcome) => moveEvent({ kind: 'finished', move: finishedMove(outcome) })?.reason);
    expect(new Set([...told, 'MigrationStarted', undefined])).toEqual(new Set([...Object.keys(eventReasons), undefined]));
  });
});
