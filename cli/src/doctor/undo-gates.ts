/**
 * Undoes gates and biases by their marks alone, as the next holder of the gate would. The gate lock is taken meanwhile, so that no
 * migrator begins to rely on what is being undone: a Lease wherever the migrators keep one, a record in NATS as long as that answers.
 */
import { hostname } from 'node:os';
import type { Bus } from '@couchestor/shared/bus/connect';
import { gateLockName, lockBucket } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import type { Lock, LockHold } from '@couchestor/shared/lock';
import { type Coordination, openLock } from '@couchestor/shared/lock-coordination';
import { createLogger } from '@couchestor/shared/logger';
import type { MayastorClient } from '@couchestor/shared/mayastor/client';
import { isAlreadySo, undoCalls } from '@couchestor/shared/mayastor/undo-gates';
import { CliError } from '../errors.ts';
import type { GateFinding } from './findings.ts';
import { type JournalView, unknownMoves } from './look.ts';

/** Beyond the lease of a dead holder: for the answers of NATS. */
const patienceMs = 3_000;
/** A call must end this long before the lease does. */
const fenceMarginMs = 500;
/** As long as a migrator's by default: a holder that a wiped NATS has forgotten believes in its own for that long. */
const leaseMsMin = 30_000;
/** So that a call fits into the lease, and the next one too. */
const leaseCalls = 3;

/** What the lock has to tell is told by its failure. */
const quietOnTerminal = createLogger({
  name: 'couchestor',
  level: 'error',
  json: false,
  to: { write: (line) => process.stderr.write(line) },
});

/** For calls with this deadline. */
export function gateLeaseMs(callTimeoutMs: number): number {
  return Math.max(leaseMsMin, leaseCalls * callTimeoutMs);
}

export interface Undone {
  readonly words: string;
  readonly answer: string;
  readonly ok: boolean;
}

export interface UndoInput {
  readonly mayastor: MayastorClient;
  /** Looks for what is to be undone: asked once the lock is held, so that it is as it stands then. */
  readonly look: () => Promise<readonly GateFinding[]>;
  readonly journal: JournalView;
  /** Where the migrators keep the gate lock. */
  readonly coordination: Coordination & { readonly env: NodeJS.ProcessEnv };
  /** Undo although a migrator may be at work. */
  readonly force: boolean;
  readonly callTimeoutMs: number;
  readonly leaseMs: number;
  readonly tell: (text: string) => void;
}

/** Throws CLI_MOVES_UNKNOWN or CLI_GATES_IN_USE where a migrator may need the gates. */
export async function undoGates(o: UndoInput): Promise<Undone[]> {
  const { journal, force } = o;
  if (journal.kind !== 'read' && !force) {
    throw new CliError('MOVES_UNKNOWN', { because: unknownMoves(journal) });
  }
  const open = journal.kind === 'read' ? journal.open : [];
  const [move] = open;
  if (move !== undefined && !force) {
    throw new CliError('GATES_IN_USE', {
      because: `${open.length} open: move ${move.moveId} of volume ${move.volumeId} is at ${move.step}`,
    });
  }
  const { env, ...coordination } = o.coordination;
  if (journal.kind !== 'read' && coordination.coordination === 'nats') {
    return undoAll(o, undefined);
  }
  const bus = journal.kind === 'read' ? journal.client.bus : noBus;
  const holder = `doctor ${hostname()} ${process.pid}`;
  const { lock, close } = openLock(coordination, { name: gateLockName, holder, leaseMs: o.leaseMs, bus, env, logger: quietOnTerminal });
  try {
    const hold = await holdGate(lock, bus, o);
    try {
      return await undoAll(o, hold);
    } finally {
      await hold?.release();
    }
  } finally {
    await close();
  }
}

/** A Lease needs none. */
const noBus: Pick<Bus, 'bucket'> = {
  bucket: () => {
    throw new Error('NATS is away, and with it what is kept there');
  },
};

/** Undefined where another process holds the lock and that is to be overridden. */
async function holdGate(lock: Lock, bus: Pick<Bus, 'bucket'>, o: UndoInput): Promise<LockHold | undefined> {
  const held = o.coordination.coordination === 'nats' ? await bus.bucket(lockBucket).get(gateLockName) : undefined;
  const waitMs = Math.max(o.leaseMs, held?.value.released === false ? held.value.leaseMs : 0) + patienceMs;
  o.tell(`taking the gate lock (for at most ${Math.ceil(waitMs / 1_000)} s)`);
  const signal = AbortSignal.timeout(waitMs);
  try {
    return await lock.acquire({ signal });
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
    if (!o.force) {
      throw new CliError('GATES_IN_USE', { because: `the gate lock is held by ${held?.value.holder ?? 'another process'}` });
    }
    return undefined;
  }
}

async function undoAll(o: UndoInput, hold: LockHold | undefined): Promise<Undone[]> {
  const undone: Undone[] = [];
  for (const { leftover } of await o.look()) {
    for (const { words, make, alreadySo } of undoCalls(leftover)) {
      if (hold !== undefined && !hold.surelyHeldFor(o.callTimeoutMs + fenceMarginMs)) {
        return [...undone, { words, answer: 'not sent: the gate lock was lost', ok: false }];
      }
      const answer = await make(o.mayastor).then(
        () => 'done',
        (error: unknown) => (isAlreadySo(error, alreadySo) ? 'was so already' : error),
      );
      const ok = typeof answer === 'string';
      undone.push({ words, answer: ok ? answer : describeError(answer), ok });
      if (!ok) {
        // The mark must stay for as long as what it tells of does.
        break;
      }
    }
  }
  return undone;
}
