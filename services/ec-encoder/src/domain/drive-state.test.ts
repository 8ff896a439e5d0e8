import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DriveEvent, type DriveHealth, driveStateOf, newDriveHealth, nextDriveHealth, wantsProbe } from './drive-state.ts';

const limits = { failAfterMs: 100, errorsMax: 3, errorWindowMs: 1_000 };
const well: DriveEvent = { kind: 'probed', fault: undefined };
const io: DriveEvent = { kind: 'fault', fault: 'IO' };
const gone: DriveEvent = { kind: 'fault', fault: 'GONE' };

function after(events: readonly (DriveEvent | readonly [atMs: number, event: DriveEvent])[]): DriveHealth {
  return events.reduce<DriveHealth>((health, each) => {
    const [nowMs, event] = 'kind' in each ? [0, each] : each;
    return nextDriveHealth(health, event, { nowMs, limits });
  }, newDriveHealth(0));
}

test.each([
  ['nothing', [], 'online'],
  ['a late call', [{ kind: 'fault', fault: 'LATE' }], 'suspect'],
  ['an error of the disk', [io], 'suspect'],
  ['an error and a good probe', [io, well], 'online'],
  ['an error that lasts', [io, [99, { kind: 'tick' }], [100, { kind: 'tick' }]], 'failed'],
  ['an error that lasted, and a good probe', [io, [100, { kind: 'tick' }], [500, well]], 'online'],
  ['a bad probe after too long', [io, [100, { kind: 'probed', fault: 'IO' }]], 'failed'],
  ['a folder that is gone', [gone], 'failed'],
  ['a folder that is gone and comes back', [gone, well], 'online'],
  ['a file system that may only be read', [{ kind: 'fault', fault: 'READ_ONLY' }], 'failed'],
  ['another drive in its place', [{ kind: 'probed', fault: 'WRONG_DRIVE' }], 'failed'],
  ['too many errors, though each probe was good', [io, well, io, well, io, well], 'failed'],
  ['many calls that fail at once, and a good probe', [io, io, io, io, well], 'online'],
  ['a folder that is gone under many calls, and comes back', [...Array.from({ length: 9 }, () => gone), well], 'online'],
  ['as many errors in a longer time', [io, well, [900, io], [900, well], [1_100, io], [1_100, well]], 'online'],
  ['an order to drain', [{ kind: 'told', order: 'drain' }], 'draining'],
  ['an error while it is drained', [{ kind: 'told', order: 'drain' }, io], 'suspect'],
  ['a good probe while it is drained', [{ kind: 'told', order: 'drain' }, io, well], 'draining'],
  ['an order to fail', [{ kind: 'told', order: 'fail' }], 'failed'],
  [
    'an order that is taken back',
    [
      { kind: 'told', order: 'fail' },
      { kind: 'told', order: 'serve' },
    ],
    'online',
  ],
] as const)('after %s', (_, events, state) => {
  expect(driveStateOf(after(events))).toBe(state);
});

test('a drive that could not sync stays failed whatever comes', () => {
  const event: fc.Arbitrary<DriveEvent> = fc.oneof(
    fc.record({
      kind: fc.constant('fault' as const),
      fault: fc.constantFrom('IO', 'LATE', 'GONE', 'READ_ONLY', 'WRONG_DRIVE', 'SYNC_FAILED'),
    }),
    fc.record({ kind: fc.constant('probed' as const), fault: fc.constantFrom('IO', 'GONE', undefined) }),
    fc.record({ kind: fc.constant('told' as const), order: fc.constantFrom('serve', 'drain', 'fail') }),
    fc.constant({ kind: 'tick' } as const),
  );
  const timed = fc.array(fc.tuple(fc.nat(2_000), event)).map((all) => all.sort(([a], [b]) => a - b));
  fc.assert(
    fc.property(timed, timed, (before, later) => {
      const health = after([
        ...before,
        [2_000, { kind: 'fault', fault: 'SYNC_FAILED' }],
        ...later.map(([ms, each]) => [ms + 2_000, each] as const),
      ]);
      expect(driveStateOf(health)).toBe('failed');
      expect(wantsProbe(health)).toBe(false);
    }),
  );
});
