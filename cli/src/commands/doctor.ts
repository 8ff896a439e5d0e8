/** `couchestor doctor`: whether moves can work here, and what they have left in Mayastor, told and undone with nothing but Mayastor at hand. */
import { commonOptions } from '@couchestor/shared/common-options';
import { describeError } from '@couchestor/shared/errors';
import type { Coordination } from '@couchestor/shared/lock-coordination';
import { defineOptions } from '@couchestor/shared/options';
import { redactUrls } from '@couchestor/shared/redact-url';
import { printJson } from '../client/print-json.ts';
import { defineCommand } from '../command.ts';
import { checkLines, hasProblem } from '../doctor/check-report.ts';
import { type Judged, judgeAll } from '../doctor/checks.ts';
import { type Findings, findingsOf, isClean } from '../doctor/findings.ts';
import { gatherFacts, type Places } from '../doctor/gather.ts';
import {
  closeJournal,
  type JournalView,
  movesKnown,
  type OpenMayastor,
  openAround,
  openCluster,
  readCluster,
  readJournal,
} from '../doctor/look.ts';
import { placeOptions, resolvePlaces } from '../doctor/options.ts';
import { journalWords, removalCommands, reportLines } from '../doctor/report.ts';
import { gateLeaseMs, type Undone, undoGates } from '../doctor/undo-gates.ts';
import { exitCodes } from '../errors.ts';

const optional = { optional: true, description: 'What is not given is not checked. Absent: that of the local stack that runs.' } as const;
const { default: _redisDefault, ...redisUrl } = commonOptions.redisUrl;
const { default: _prometheusDefault, ...prometheusUrl } = commonOptions.prometheusUrl;

export const doctor = defineCommand(
  {
    usage: ['couchestor doctor [--undo-gates [--force]] [options]'],
    summary:
      'Whether everything is as moves need it: Mayastor, pools and StorageClasses, measuring, clocks, Kubernetes, NATS and Redis; each check with its finding and the cure. And what of ours stands in Mayastor: cordons, labels that were taken off, marks of volumes, extra replicas. What cannot be looked at is not checked, and says why: NATS, Redis and Kubernetes may be away. It changes nothing, unless told to by --undo-gates, which lifts our cordons and puts labels back, and refuses while a move is open or NATS is away, unless forced; it never touches a replica, nor a cordon of an administrator.\nExit code 0: no check found a problem, and nothing is left that no open move will see to. 1: something is. Warnings do not count.\nJSON: {mayastorUrl, nats: {state, why, open}, checks: [{id, asks, verdict, finding, details, cure}], problems, clean, gates, volumes, unreadable, foreignCordons, undone}.',
    options: defineOptions({
      undoGates: { flag: 'undo-gates', kind: 'boolean', description: 'Undo cordons and labels of ours, by their marks.' },
      force: {
        flag: 'force',
        kind: 'boolean',
        description:
          'Take it that no migrator is at work: with --undo-gates, also while a move is open, the gate lock is held, or NATS is away; and tell how to remove replicas although NATS is away. Stop every migrator first.',
      },
      prometheusUrl: { ...prometheusUrl, ...optional },
      redisUrl: { ...redisUrl, ...optional },
      policyDir: {
        flag: 'policy-dir',
        env: 'POLICY_DIR',
        kind: 'path',
        optional: true,
        description: 'Folder of policies. Absent: that of the local stack that runs, else the custom resources in Kubernetes.',
      },
      ...placeOptions,
    }),
    positionalsMax: 0,
  },
  async ({ values: given, invocation: { env, output } }) => {
    const { values, stack, policiesDir } = await resolvePlaces(given, env);
    const { timeoutMs } = values;
    const journal = await readJournal({ values, env });
    const known = movesKnown(journal, values);
    let mayastor: OpenMayastor | { readonly error: unknown } | undefined;
    try {
      mayastor = await openCluster(values, { timeoutMs }).catch((error: unknown) => ({ error }));
      if ('error' in mayastor && values.undoGates) {
        throw mayastor.error;
      }
      const facts = await gatherFacts({
        ...values,
        mayastor: 'error' in mayastor ? { kind: 'failed', why: describeError(mayastor.error) } : { kind: 'seen', value: mayastor },
        redisUrl: values.redisUrl ?? stack?.redisUrl,
        prometheusUrl: values.prometheusUrl ?? stack?.prometheusUrl,
        policyDir: values.policyDir ?? policiesDir,
        kubernetes: stack === undefined ? { kubeconfig: values.kubeconfig, namespace: values.podNamespace, env } : undefined,
      } satisfies Places);
      const judged = judgeAll(facts);
      const marks = 'error' in mayastor ? undefined : await lookAtMarks(mayastor, journal, { ...values, env, tell: output.note });
      const url = 'error' in mayastor ? undefined : redactUrls(mayastor.url);
      if (values.json) {
        printJson(output, asJson({ url, journal, judged, marks, known }));
      } else {
        output.print(`Mayastor  ${url ?? 'not found'}`);
        output.print(`NATS      ${journalWords(journal)}`);
        output.print('');
        [...checkLines(judged, output.paint), ''].forEach(output.print);
        for (const { words, answer, ok } of marks?.undone ?? []) {
          output.print(`${ok ? 'undone' : output.paint('failed', 'red')}  ${words}: ${answer}`);
        }
        if (marks === undefined) {
          output.print('Whether anything of ours is left in Mayastor is not known.');
        } else {
          reportLines(marks.left, { paint: output.paint, undoing: values.undoGates, movesKnown: known }).forEach(output.print);
        }
      }
      return marks?.clean && !hasProblem(judged) ? exitCodes.ok : exitCodes.failed;
    } finally {
      await closeJournal(journal);
      await (mayastor !== undefined && 'client' in mayastor ? mayastor.client.close() : undefined);
    }
  },
);

interface Marks {
  readonly left: Findings;
  readonly clean: boolean;
  readonly undone: readonly Undone[] | undefined;
}

async function lookAtMarks(
  { client: mayastor, cluster }: OpenMayastor,
  journal: JournalView,
  o: Coordination & { undoGates: boolean; force: boolean; timeoutMs: number; env: NodeJS.ProcessEnv; tell: (text: string) => void },
): Promise<Marks> {
  const look = async (): Promise<Findings> => {
    const seen = await readCluster(mayastor);
    return findingsOf(seen, await openAround(journal));
  };
  const before = findingsOf(cluster, await openAround(journal));
  if (!o.undoGates) {
    return { left: before, clean: isClean(before), undone: undefined };
  }
  const undone =
    before.gates.length === 0
      ? []
      : await undoGates({
          mayastor,
          look: async () => (await look()).gates,
          journal,
          coordination: o,
          force: o.force,
          callTimeoutMs: o.timeoutMs,
          leaseMs: gateLeaseMs(o.timeoutMs),
          tell: o.tell,
        });
  const left = undone.length === 0 ? before : await look();
  return { left, clean: isClean(left) && undone.every(({ ok }) => ok), undone };
}

function asJson(o: {
  url: string | undefined;
  journal: JournalView;
  judged: readonly Judged[];
  marks: Marks | undefined;
  known: boolean;
}): Record<string, unknown> {
  const { journal, marks } = o;
  return {
    ...(o.url === undefined ? {} : { mayastorUrl: o.url }),
    nats: journal.kind === 'read' ? { state: journal.kind, open: journal.open } : { state: journal.kind, why: journal.why },
    checks: o.judged,
    problems: o.judged.filter(({ verdict }) => verdict === 'problem').length,
    clean: marks?.clean ?? false,
    ...(marks === undefined ? {} : findingsAsJson(marks.left, o.known)),
    ...(marks?.undone === undefined ? {} : { undone: marks.undone }),
  };
}

function findingsAsJson({ gates, volumes, unreadable, foreignCordons }: Findings, known: boolean): Record<string, unknown> {
  return {
    gates: gates.map(({ leftover: _leftover, ...gate }) => gate),
    volumes: volumes.map((volume) => ({ ...volume, removal: known ? removalCommands(volume) : [] })),
    unreadable,
    foreignCordons,
  };
}
