/** The end of the torture: all loads calm, all moves over, and nothing lost or left behind. */
import { readFile } from 'node:fs/promises';
import type { Bus } from '@couchestor/shared/bus/connect';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { type ClusterCheck, type ClusterPicture, differences, type Verification } from './cluster-check.ts';
import type { MoveFollower } from './follow-moves.ts';
import type { TortureStack } from './torture-stack.ts';

/** Between the watermarks of the policy: every volume stays where it is. */
const calmIops = 60;
const calmTimeoutMs = 90_000;
/** For so long nothing has begun any more. */
const quietMs = 3_000;
const lookMs = 200;

export interface RestInput {
  readonly stack: TortureStack;
  readonly check: ClusterCheck;
  readonly bus: Bus;
  readonly follower: MoveFollower;
  /** The cluster as it was before any move. */
  readonly before: ClusterPicture;
}

/** @returns everything that must not be, and what the verification of all bytes said */
export async function comeToRest(o: RestInput): Promise<{ violations: string[]; verification?: Verification }> {
  try {
    await o.stack.untilAllReady();
    await o.check.clearFaults();
    for (const volume of Object.keys(o.before.numReplicas)) {
      await o.check.setLoad(volume, calmIops);
    }
    await untilQuiet(o);
    const verification = await o.check.verify();
    const deadLetters = await o.bus.deadLetters.list({ limit: 10 });
    return {
      verification,
      violations: [
        ...(await leftOver(o)),
        ...(await o.follower.unended()),
        ...deadLetters.map((letter) => `a message was given up: ${JSON.stringify(letter)}`),
        ...(['corrupt', 'corruptReads', 'underReplicatedMs'] as const)
          .filter((figure) => verification[figure] !== 0)
          .map((figure) => `${figure} is ${verification[figure]}`),
        ...(await wrongReads(o.stack.simulatorLog)),
      ],
    };
  } catch (error) {
    return { violations: [`the end could not be looked at: ${error instanceof Error ? error.message : error}`] };
  }
}

/** What is still there after the time limit is found and named by the caller. */
async function untilQuiet(o: RestInput): Promise<void> {
  let sinceMs = performance.now();
  const quiet = async (): Promise<boolean> => {
    if ((await leftOver(o)).length > 0) {
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs > quietMs;
  };
  await waitUntil(quiet, { timeoutMs: calmTimeoutMs, intervalMs: lookMs }).catch(() => undefined);
}

async function leftOver({ follower, before, check }: RestInput): Promise<string[]> {
  const open = [...follower.open.values()].map(({ request, step }) => `move ${request.moveId} is open, at ${step}`);
  return [...open, ...differences(before, await check.picture())];
}

/** A killed simulator's figures begin anew, its log does not. */
async function wrongReads(log: string): Promise<string[]> {
  const wrong = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('a wrong block'));
  return wrong.slice(0, 10);
}
