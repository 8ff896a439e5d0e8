/** The suites that mutants are shown to, by what they are about. */
import type { Suite } from './mutant.ts';

const migrator = 'services/migrator/src/domain/advance.test.ts';
const brain = 'services/policy-brain/src/domain';

export const suites = {
  machineTable: { file: migrator, tests: 'the table of the move' },
  machineAnswers: { file: migrator, tests: 'an answer of Mayastor' },
  machineLimits: { file: migrator, tests: 'limits of a move' },
  machineProperties: { file: migrator, tests: 'whatever a move is and sees' },
  machineEnds: { file: migrator, tests: 'a move that sees one thing for ever' },
  gatesPlaced: { file: 'services/migrator/src/domain/gates-placed.test.ts' },
  floor: { file: 'services/migrator/src/domain/floor.test.ts' },
  tries: { file: 'services/migrator/src/domain/tries.test.ts' },
  read: { file: 'shared/src/mayastor/read.test.ts' },
  bias: { file: 'shared/src/placement/bias.test.ts' },
  biasCertainty: { file: 'shared/src/placement/bias-certainty.test.ts' },
  marks: { file: 'shared/src/placement/marks.test.ts' },
  plan: { file: 'shared/src/placement/plan.test.ts' },
  closedPools: { file: 'shared/src/placement/plan-closed-pools.test.ts' },
  lock: { file: 'shared/src/lock.test.ts' },
  decideVolume: { file: `${brain}/decide-volume.test.ts` },
  decideTier: { file: `${brain}/decide-tier.test.ts` },
  samples: { file: `${brain}/samples.test.ts` },
  slots: { file: `${brain}/slots.test.ts` },
  standing: { file: `${brain}/standing.test.ts` },
  brainAnswers: { file: 'services/policy-brain/src/service.int.test.ts', tests: 'is denied for a request that was taken back' },
  brainRepeats: { file: 'services/policy-brain/src/service.int.test.ts', tests: 'repeats the request in every round' },
  ledger: { file: `${brain}/ledger.test.ts` },
  config: { file: 'services/migrator/src/config.test.ts' },
  move: { file: 'tests/sim/safe-move.test.ts' },
  moveDeaths: { file: 'tests/sim/safe-move.test.ts', tests: 'survives' },
  lostCalls: { file: 'tests/sim/call-faults.test.ts', tests: 'a call that is lost' },
  lastLook: { file: 'tests/sim/last-look.test.ts' },
  lostMark: { file: 'tests/sim/lost-mark.test.ts' },
  lettingGo: { file: 'tests/sim/letting-go.test.ts' },
  world: { file: 'tests/sim/world-changes.test.ts' },
  standingOrders: { file: 'tests/sim/world-changes.test.ts', tests: 'a request that no longer stands' },
  wipedBrokers: { file: 'tests/sim/world-changes.test.ts', tests: 'brokers that come back empty' },
  sweeping: { file: 'tests/sim/sweeping.test.ts' },
  accepting: { file: 'tests/sim/accepting.test.ts' },
} satisfies Record<string, Suite>;
