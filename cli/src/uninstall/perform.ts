/** What `couchestor uninstall` does, in its order, or what it would do. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@couchestor/shared/errors';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import type { Coordination } from '@couchestor/shared/lock-coordination';
import { type Findings, findingsOf } from '../doctor/findings.ts';
import { policyFiles } from '../doctor/look/policies.ts';
import { type JournalView, movesKnown, type OpenMayastor, openAround, readCluster, unknownMoves } from '../doctor/look.ts';
import { undoGates } from '../doctor/undo-gates.ts';
import { CliError } from '../errors.ts';
import { deleteDefinitionSteps, deletePolicySteps, finalizerSteps, type OurObjects, readOurObjects } from './custom-resources.ts';
import { endMoves } from './end-moves.ts';
import { unmarkSteps } from './marks.ts';
import type { UninstallOutcome } from './report.ts';
import { type Done, makeAll, type Step } from './step.ts';

const forcedWaitMs = 120_000;

interface UninstallValues extends Coordination {
  readonly wait: number | undefined;
  readonly force: boolean;
  readonly deletePolicies: boolean;
  readonly deleteCrds: boolean;
  readonly timeoutMs: number;
  /** Of the gate lock. */
  readonly gateLeaseMs: number;
  readonly env: NodeJS.ProcessEnv;
}

export interface Work {
  readonly values: UninstallValues;
  readonly mayastor: OpenMayastor;
  readonly journal: JournalView;
  readonly api: KubeApi | undefined;
  /** Of the local stack. */
  readonly policiesDir: string | undefined;
  readonly tell: (text: string) => void;
}

type Found = Pick<UninstallOutcome, 'openMoves' | 'finalizers' | 'done' | 'left'> & { readonly objects: OurObjects | undefined };

export async function rehearse(work: Work): Promise<Found> {
  const { mayastor, journal, api, values } = work;
  const left = findingsOf(mayastor.cluster, await openAround(journal));
  const objects = await readObjects(work);
  if (!movesKnown(journal, values)) {
    return { openMoves: [], finalizers: finalizersOf(api, objects), done: [], left, objects };
  }
  const openMoves = journal.kind === 'read' ? journal.open : [];
  const steps = [
    ...(await policySteps(work, objects)),
    ...openMoves.map(({ moveId, step }) => ({ words: `${values.force ? 'cancel' : 'wait for'} move ${moveId}, at ${step}` })),
    ...left.gates.flatMap(({ undo }) => undo.map((words) => ({ words }))),
    ...unmarkSteps(left, mayastor.client),
    ...ownFinalizerSteps(work, objects),
    ...definitionSteps(work, objects),
  ];
  const done = steps.map(({ words }) => ({ words, answer: 'would be done', ok: true }));
  return { openMoves, finalizers: finalizersOf(api, objects), done, left, objects };
}

/** Policies first, so that nothing new begins; then moves, their gates and marks; what Kubernetes holds at the end. */
export async function perform(work: Work): Promise<Found> {
  const { mayastor, journal, api, values } = work;
  const { client } = mayastor;
  refuseWhereInUse(work);
  const before = await readObjects(work);
  const ofPolicies = await makeAll(await policySteps(work, before));
  const stillOpen = await endOpenMoves(work);
  const look = async (): Promise<Findings> =>
    findingsOf(await readCluster(client), await openAround({ ...journal, ...(journal.kind === 'read' && { open: [] }) }));
  const left = await look();
  const undone =
    left.gates.length === 0
      ? []
      : await undoGates({
          mayastor: client,
          look: async () => (await look()).gates,
          journal: journal.kind === 'read' ? { ...journal, open: stillOpen } : journal,
          coordination: values,
          force: values.force,
          callTimeoutMs: values.timeoutMs,
          leaseMs: values.gateLeaseMs,
          tell: work.tell,
        });
  const unmarked = await makeAll(unmarkSteps(await look(), client));
  const finalized = await makeAll(ownFinalizerSteps(work, before));
  const done = [...ofPolicies, ...undone, ...unmarked, ...finalized];
  const freed = stillOpen.length === 0 && done.every(({ ok }) => ok);
  const definitions = definitionSteps(work, before);
  return {
    openMoves: stillOpen,
    finalizers: finalizersOf(api, before),
    done: [...done, ...(freed ? await makeAll(definitions) : definitions.map(notFreed))],
    left: await look(),
    objects: await readObjects(work),
  };
}

/** Throws MOVES_UNKNOWN or MOVES_OPEN before anything is changed. */
function refuseWhereInUse({ journal, values }: Work): void {
  if (journal.kind !== 'read' && !values.force) {
    throw new CliError('MOVES_UNKNOWN', { because: unknownMoves(journal) });
  }
  if (journal.kind === 'read' && journal.open.length > 0 && !values.force && values.wait === undefined) {
    throw movesOpen(journal.open);
  }
}

async function endOpenMoves({ journal, values, tell }: Work): Promise<UninstallOutcome['openMoves']> {
  if (journal.kind !== 'read') {
    return [];
  }
  const waitMs = values.wait ?? (values.force ? forcedWaitMs : 0);
  const open = await endMoves({ client: journal.client, cancel: values.force, waitMs, callTimeoutMs: values.timeoutMs, tell });
  if (open.length > 0 && !values.force) {
    throw movesOpen(open);
  }
  return open;
}

function movesOpen(open: UninstallOutcome['openMoves']): Error {
  const first = open.slice(0, 3).map(({ moveId, volumeId, step }) => `move ${moveId} of volume ${volumeId} is at ${step}`);
  return new CliError('MOVES_OPEN', { because: `${open.length} open: ${first.join(', ')}` });
}

/** Mayastor is freed also where Kubernetes does not answer, unless something was to be deleted there. */
async function readObjects({ api, values, tell }: Work): Promise<OurObjects | undefined> {
  try {
    return await (api && readOurObjects(api));
  } catch (error) {
    if (values.deletePolicies || values.deleteCrds) {
      throw error;
    }
    tell(`Kubernetes could not be looked at: ${describeError(error)}`);
    return undefined;
  }
}

async function policySteps({ values, api, policiesDir }: Work, objects: OurObjects | undefined): Promise<Step[]> {
  if (!values.deletePolicies) {
    return [];
  }
  const files = policiesDir === undefined ? [] : (await policyFiles(policiesDir)).map((name) => join(policiesDir, name));
  return [
    ...files.map((file) => ({ words: `delete ${file}`, make: () => rm(file) })),
    ...(api === undefined || objects === undefined ? [] : deletePolicySteps(objects, api)),
  ];
}

function ownFinalizerSteps({ api }: Work, objects: OurObjects | undefined): Step[] {
  return api === undefined || objects === undefined ? [] : finalizerSteps(objects, api);
}

function definitionSteps({ values, api }: Work, objects: OurObjects | undefined): Step[] {
  return api === undefined || objects === undefined || !values.deleteCrds ? [] : deleteDefinitionSteps(objects, api);
}

/** Policies go with their definitions, and who is to try again may need them as they are. */
function notFreed({ words }: Step): Done {
  return { words, answer: 'not tried: what comes before it is not done', ok: false };
}

function finalizersOf(api: KubeApi | undefined, objects: OurObjects | undefined): number | undefined {
  return api === undefined || objects === undefined ? undefined : finalizerSteps(objects, api).length;
}
