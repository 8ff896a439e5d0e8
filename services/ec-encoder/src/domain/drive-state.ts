/**
 * The health of a drive, as a machine: what it did, and what the operator said, give its state.
 *
 * Suspect is a drive that was late or answered with an error; it is probed, and is online again when it proves well, or failed when it does not
 * for too long. A failed drive that comes back (the folder is there again, a hung disk answers) is online again: all that is read of it is checked
 * by sums that carry the generation, so nothing stale can pass. Only a drive that could not sync stays failed, as nobody knows what it lost.
 */

export type DriveState = 'online' | 'suspect' | 'failed' | 'draining';

/** Why a call failed. Of those that are no fault of the drive, such as NO_SPACE, the machine hears nothing. */
export type DriveFault = 'IO' | 'LATE' | 'GONE' | 'READ_ONLY' | 'WRONG_DRIVE' | 'SYNC_FAILED';

export interface DriveHealth {
  readonly condition: 'online' | 'suspect' | 'failed';
  readonly order: 'serve' | 'drain' | 'fail';
  readonly fault: DriveFault | undefined;
  /** When it left `online`, or came back. */
  readonly sinceMs: number;
  /** How often it left `online`, since `errorsSinceMs`. */
  readonly errors: number;
  readonly errorsSinceMs: number;
}

export type DriveEvent =
  | { readonly kind: 'fault'; readonly fault: DriveFault }
  | { readonly kind: 'probed'; readonly fault: DriveFault | undefined }
  | { readonly kind: 'told'; readonly order: DriveHealth['order'] }
  /** Time has passed. */
  | { readonly kind: 'tick' };

export interface DriveLimits {
  readonly failAfterMs: number;
  /** A drive that leaves `online` so often within the window is failed though every probe succeeds. */
  readonly errorsMax: number;
  readonly errorWindowMs: number;
}

export function newDriveHealth(nowMs: number): DriveHealth {
  return { condition: 'online', order: 'serve', fault: undefined, sinceMs: nowMs, errors: 0, errorsSinceMs: nowMs };
}

export function driveStateOf(health: DriveHealth): DriveState {
  if (health.order === 'fail' || health.condition === 'failed') {
    return 'failed';
  }
  return health.condition === 'online' && health.order === 'drain' ? 'draining' : health.condition;
}

/** Whether probing it could bring it back. */
export function wantsProbe(health: DriveHealth): boolean {
  return health.condition !== 'online' && health.fault !== 'SYNC_FAILED';
}

/** What a fault makes of a drive at once: some are as good as certain. */
const gravity = {
  IO: 'suspect',
  LATE: 'suspect',
  GONE: 'failed',
  READ_ONLY: 'failed',
  WRONG_DRIVE: 'failed',
  SYNC_FAILED: 'failed',
} as const satisfies Record<DriveFault, DriveHealth['condition']>;

export function nextDriveHealth(health: DriveHealth, event: DriveEvent, now: { nowMs: number; limits: DriveLimits }): DriveHealth {
  switch (event.kind) {
    case 'told':
      return { ...health, order: event.order };
    case 'fault':
      return worsen(countError(health, now), event.fault, now.nowMs);
    case 'probed':
      return event.fault === undefined ? recover(health, now) : tick(worsen(health, event.fault, now.nowMs), now);
    case 'tick':
      return tick(health, now);
  }
}

function worsen(health: DriveHealth, fault: DriveFault, nowMs: number): DriveHealth {
  if (health.fault === 'SYNC_FAILED') {
    return health;
  }
  if (gravity[fault] === 'failed') {
    return health.condition === 'failed' ? { ...health, fault } : { ...health, condition: 'failed', fault, sinceMs: nowMs };
  }
  return health.condition === 'online' ? { ...health, condition: 'suspect', fault, sinceMs: nowMs } : health;
}

function recover(health: DriveHealth, { nowMs, limits }: { nowMs: number; limits: DriveLimits }): DriveHealth {
  if (health.condition === 'online' || !wantsProbe(health)) {
    return health;
  }
  const errsTooOften = health.errors >= limits.errorsMax && nowMs - health.errorsSinceMs < limits.errorWindowMs;
  if (errsTooOften) {
    return health.condition === 'failed' ? health : { ...health, condition: 'failed', sinceMs: nowMs };
  }
  return { ...health, condition: 'online', fault: undefined, sinceMs: nowMs };
}

function tick(health: DriveHealth, { nowMs, limits }: { nowMs: number; limits: DriveLimits }): DriveHealth {
  return health.condition === 'suspect' && nowMs - health.sinceMs >= limits.failAfterMs
    ? { ...health, condition: 'failed', sinceMs: nowMs }
    : health;
}

/** Once for all that fail before it is well again: a busy drive that was away for a moment has failed many calls, and is no worse for that. */
function countError(health: DriveHealth, { nowMs, limits }: { nowMs: number; limits: DriveLimits }): DriveHealth {
  if (health.condition !== 'online') {
    return health;
  }
  return nowMs - health.errorsSinceMs < limits.errorWindowMs
    ? { ...health, errors: health.errors + 1 }
    : { ...health, errors: 1, errorsSinceMs: nowMs };
}
