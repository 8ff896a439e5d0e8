/** `couchestor uninstall`: frees Mayastor and Kubernetes of what would be stuck without us, and tells what is left to delete. */
import { describeError } from '@couchestor/shared/errors';
import { KubeApi } from '@couchestor/shared/kubernetes/api';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import { redactUrls } from '@couchestor/shared/redact-url';
import { printJson } from '../client/print-json.ts';
import { defineCommand } from '../command.ts';
import { lookAtNats } from '../doctor/look/brokers.ts';
import { lookWithin } from '../doctor/look/deadline.ts';
import { closeJournal, movesKnown, type OpenMayastor, openCluster, readJournal } from '../doctor/look.ts';
import { placeOptions, resolvePlaces } from '../doctor/options.ts';
import { journalWords, removalCommands } from '../doctor/report.ts';
import { gateLeaseMs } from '../doctor/undo-gates.ts';
import { exitCodes } from '../errors.ts';
import { brainRuns } from '../uninstall/end-moves.ts';
import { isSpent } from '../uninstall/marks.ts';
import { perform, rehearse } from '../uninstall/perform.ts';
import { remainsOf } from '../uninstall/remains.ts';
import { type UninstallOutcome, uninstallLines } from '../uninstall/report.ts';

const options = defineOptions({
  dryRun: { flag: 'dry-run', kind: 'boolean', description: 'Tell what would be done, and do nothing.' },
  wait: {
    flag: 'wait',
    kind: 'duration',
    optional: true,
    max: 86_400_000,
    description: 'Wait this long for open moves to end. With --force: 2m where absent.',
  },
  force: {
    flag: 'force',
    kind: 'boolean',
    description:
      'Cancel open moves. Those that do not end in time, because no migrator runs, lose their cordons all the same. Also where NATS is away, so that open moves are not known. Stop every migrator first then.',
  },
  deletePolicies: { flag: 'delete-policies', kind: 'boolean', description: 'Delete all policies first, so that no new move is requested.' },
  deleteCrds: {
    flag: 'delete-crds',
    kind: 'boolean',
    description: 'Delete our CustomResourceDefinitions, and with them all policies, at the end.',
  },
  ...placeOptions,
});
type Values = OptionValues<typeof options>;

export const uninstall = defineCommand(
  {
    usage: ['couchestor uninstall [--dry-run] [--wait <duration>] [--force] [--delete-policies] [--delete-crds] [options]'],
    summary:
      'Undoes what of ours stands in Mayastor, so that nothing is stuck there without us: cordons, labels that were taken off, marks of volumes. It refuses while moves are open, unless it is to wait for them or to cancel them, and while NATS is away, unless forced. A replica that a move has added and kept stays, with the commands to remove it. Then it tells what is left to delete in Kubernetes, NATS and Redis; of these it deletes only policies and definitions, and only if asked to.\nExit code 0: nothing of ours is left in Mayastor. 1: something is.\nJSON: {mayastorUrl, nats, movesKnown, brainRuns, dryRun, openMoves, finalizers, done: [{words, answer, ok}], left, clean, remains: [{what, commands}]}.',
    options,
    positionalsMax: 0,
  },
  async ({ values: given, invocation: { env, output } }) => {
    const { values, stack, policiesDir } = await resolvePlaces(given, env);
    // First, as it is what may refuse: a connection that was opened before would keep the process from ending.
    const api = stack === undefined ? openKubernetes(values, env) : undefined;
    let mayastor: OpenMayastor | undefined;
    const journal = await readJournal({ values, env });
    try {
      mayastor = await openCluster(values, values);
      const known = movesKnown(journal, values);
      const work = {
        values: { ...values, gateLeaseMs: gateLeaseMs(values.timeoutMs), env },
        mayastor,
        journal,
        api,
        policiesDir,
        tell: output.note,
      };
      const { left, ...found } = values.dryRun ? await rehearse(work) : await perform(work);
      const streams = await lookWithin(values.timeoutMs, () => lookAtNats(values.natsUrl, values));
      const outcome: UninstallOutcome = {
        mayastorUrl: redactUrls(mayastor.url),
        nats: journalWords(journal.kind === 'read' ? { ...journal, open: found.openMoves } : journal),
        movesKnown: known,
        brainRuns: journal.kind === 'read' && (await brainRuns(journal.client)),
        dryRun: values.dryRun,
        ...found,
        left,
        clean: known && left.gates.length + left.volumes.length + left.unreadable.length === 0 && found.done.every(({ ok }) => ok),
        remains: known
          ? remainsOf({
              dataDir: stack?.dataDir,
              kubernetes: found.objects && { policies: found.objects.objects.length, definitions: found.objects.definitions },
              namespace: values.podNamespace,
              natsUrl: redactUrls(values.natsUrl),
              streams: streams.kind === 'seen' ? streams.value.streams.map(({ name }) => name) : [],
            })
          : [],
      };
      if (values.json) {
        printJson(output, asJson(outcome));
      } else {
        uninstallLines(outcome, output.paint).forEach(output.print);
      }
      return outcome.clean ? exitCodes.ok : exitCodes.failed;
    } finally {
      await closeJournal(journal);
      await Promise.all([mayastor?.client.close(), api?.close()]);
    }
  },
);

function openKubernetes({ kubeconfig, timeoutMs }: Values, env: NodeJS.ProcessEnv): KubeApi | undefined {
  try {
    return KubeApi.load({ kubeconfig, env, requestTimeoutMs: timeoutMs });
  } catch (error) {
    if (kubeconfig !== undefined) {
      // Without its cause, which says the same.
      throw new Error(describeError(error));
    }
    return undefined;
  }
}

function asJson({ left, ...outcome }: UninstallOutcome): Record<string, unknown> {
  const { gates, volumes, unreadable } = left;
  return {
    ...outcome,
    left: {
      gates: gates.map(({ leftover: _leftover, ...gate }) => gate),
      volumes: volumes.map((volume) => ({
        ...volume,
        spent: outcome.movesKnown && isSpent(volume),
        removal: outcome.movesKnown ? removalCommands(volume) : [],
      })),
      unreadable,
    },
  };
}
