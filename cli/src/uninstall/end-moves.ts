/** Brings open moves to their end before anything is taken from under them. */
import { listPolicies } from '@couchestor/shared/contracts/brain';
import { cancelMove } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import { sleep } from '@couchestor/shared/time';
import type { Client } from '../client/with-bus.ts';
import type { OpenMove } from '../doctor/findings.ts';
import { openMoves } from '../doctor/look.ts';

const pollMs = 500;
/** The brain answers at once, or is not there. */
const brainTimeoutMs = 1_000;

export interface EndMovesInput {
  readonly client: Pick<Client, 'bus'>;
  /** Asks the migrator to cancel each. Else they are waited for as they are. */
  readonly cancel: boolean;
  readonly waitMs: number;
  readonly callTimeoutMs: number;
  readonly tell: (text: string) => void;
}

/** @returns those that are open still, when there are none or the time is up */
export async function endMoves(o: EndMovesInput): Promise<readonly OpenMove[]> {
  const deadlineMs = performance.now() + o.waitMs;
  const asked = new Set<string>();
  let told = '';
  for (;;) {
    const open = await openMoves(o.client);
    for (const { moveId, volumeId } of o.cancel ? open.filter((move) => !asked.has(move.moveId)) : []) {
      asked.add(moveId);
      const answer = await o.client.bus
        .call(cancelMove, { move: moveId }, { timeoutMs: o.callTimeoutMs })
        .then(({ message }) => message, describeError);
      o.tell(`cancel move ${moveId} of volume ${volumeId}: ${answer}`);
    }
    const words = open.map(({ moveId, step }) => `${moveId} (${step})`).join(', ');
    if (words !== told && words !== '') {
      o.tell(`waiting for ${open.length} open: ${words}`);
    }
    told = words;
    if (open.length === 0 || performance.now() >= deadlineMs) {
      return open;
    }
    await sleep(pollMs);
  }
}

/** Whether one runs that may request new moves at any time. */
export async function brainRuns({ bus }: Pick<Client, 'bus'>): Promise<boolean> {
  return await bus.call(listPolicies, {}, { timeoutMs: brainTimeoutMs }).then(
    () => true,
    () => false,
  );
}
