/**
 * How what a move gates or biases is undone, by its mark in Mayastor alone: one rule for the migrator, which does so under the gate lock, and
 * for a person who has nothing left but Mayastor (`couchestor doctor --undo-gates`).
 */
import { gateMarkKey, type Leftover } from '../placement/marks.ts';
import type { MayastorClient } from './client.ts';
import { MayastorError } from './errors.ts';
import { poolCordonedForReplicas, poolLabels } from './read.ts';
import type { Pool, PoolCordonFlags } from './schema.ts';

type MayastorErrorCode = NonNullable<Parameters<typeof MayastorError.is>[1]>;

/** What a gate cordons. New replicas only: snapshots, restores and imports go on during its seconds. */
export const gateCordonFlags: PoolCordonFlags = { replicas: true, snapshots: false, restores: false, import: false };

export interface UndoCall {
  /** What it does, for people. */
  readonly words: string;
  make(mayastor: MayastorClient): Promise<void>;
  /** Errors that say that what is asked for already is. */
  readonly alreadySo: readonly MayastorErrorCode[];
}

/** The calls that undo it, in their order: the mark goes last, so that whoever dies in between leaves it for the next one. */
export function undoCalls(leftover: Leftover): UndoCall[] {
  if (leftover.on === 'node') {
    const { node, label } = leftover;
    return [
      {
        words: `uncordon node ${node} (${label})`,
        make: (mayastor) => mayastor.uncordonNode(node, label),
        alreadySo: ['NOT_FOUND', 'PRECONDITION'],
      },
    ];
  }
  const { pool } = leftover;
  return [
    leftover.kind === 'cordon' ? uncordon(pool) : putBack(pool, leftover),
    {
      words: `unmark pool ${pool} (${gateMarkKey})`,
      make: (mayastor) => mayastor.unlabelPool(pool, gateMarkKey),
      alreadySo: ['PRECONDITION', 'NOT_FOUND'],
    },
  ];
}

/** Whether `error` is one after which the call need not be made again. */
export function isAlreadySo(error: unknown, codes: readonly MayastorErrorCode[]): boolean {
  return codes.some((code) => MayastorError.is(error, code));
}

function uncordon(pool: string): UndoCall {
  return {
    words: `uncordon pool ${pool}`,
    make: (mayastor) =>
      seenDone(mayastor, {
        pool,
        call: () => mayastor.uncordonPool(pool, gateCordonFlags),
        isDone: (seen) => !poolCordonedForReplicas(seen),
      }),
    alreadySo: ['NOT_FOUND', 'PRECONDITION'],
  };
}

/** Where somebody has given the label another value meanwhile, theirs stands. */
function putBack(pool: string, { key, value }: { key: string; value: string }): UndoCall {
  return {
    words: `put label ${key}=${value} back on pool ${pool}`,
    make: (mayastor) =>
      seenDone(mayastor, {
        pool,
        call: () => mayastor.labelPool(pool, { key, value, overwrite: false }),
        isDone: (seen) => poolLabels(seen)[key] !== undefined,
      }),
    alreadySo: ['ALREADY_EXISTS', 'PRECONDITION', 'NOT_FOUND'],
  };
}

/**
 * A 412 is never success by itself: the mark that tells of a gate is removed next, and must not be as long as the gate is to be seen. Throws
 * CONFLICT then, so that the call is made again.
 */
async function seenDone(
  mayastor: MayastorClient,
  o: { pool: string; call: () => Promise<void>; isDone: (seen: Pool) => boolean },
): Promise<void> {
  try {
    await o.call();
  } catch (error) {
    if (MayastorError.is(error, 'PRECONDITION')) {
      const seen = await mayastor.getPool(o.pool);
      if (seen !== undefined && !o.isDone(seen)) {
        throw new MayastorError('CONFLICT', { ...error.facts, problem: 'refused as done already, and it is not' }, { cause: error });
      }
    }
    throw error;
  }
}
