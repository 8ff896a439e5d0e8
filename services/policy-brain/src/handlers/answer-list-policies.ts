/** Answers `brain.list-policies`. */
import type { listPolicies } from '@couchestor/shared/contracts/brain';
import type { z } from 'zod';
import type { BusClock } from '../adapters/bus-clock.ts';
import type { Brain } from '../brain.ts';
import { viewEcPolicies } from './view-ec-policies.ts';

export function answerListPolicies({ brain, clock }: { brain: Brain; clock: Pick<BusClock, 'now'> }) {
  return async (): Promise<z.infer<typeof listPolicies.response>> => ({
    policies: [...brain.policyViews, ...brain.ecProblemViews],
    ecPolicies: viewEcPolicies(brain, clock.now()),
    windows: [...brain.windows],
    epoch: brain.epoch,
  });
}
