/** `couchestor doctor`: what moves have left in Mayastor, told and undone with nothing but Mayastor at hand. */
import { commonOptions, mayastorUrlOf } from '@couchestor/shared/common-options';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { defineOptions } from '@couchestor/shared/options';
import { clientOptions } from '../client/options.ts';
import { printJson } from '../client/print-json.ts';
import { defaultNatsUrl } from '../client/with-bus.ts';
import { defineCommand } from '../command.ts';
import { type Findings, findingsOf, isClean } from '../doctor/findings.ts';
import { closeJournal, type JournalView, openAround, readCluster, readJournal } from '../doctor/look.ts';
import { removalCommands, reportLines } from '../doctor/report.ts';
import { type Undone, undoGates } from '../doctor/undo-gates.ts';
import { exitCodes } from '../errors.ts';
import { findRunningStack } from '../stack/find-running.ts';

/** As long as a migrator's by default: a holder that a wiped NATS has forgotten believes in its own for that long. */
const leaseMinMs = 30_000;
/** So that a call fits into the lease, and the next one too. */
const leaseCalls = 3;

const { mayastorUrl, mayastorNamespace } = commonOptions;

export const doctor = defineCommand(
  {
    usage: ['couchestor doctor [--undo-gates [--force]] [options]'],
    summary:
      'What of ours stands in Mayastor: cordons, labels that were taken off, marks of volumes, extra replicas; and what to do about each. It needs Mayastor alone: NATS and Redis may be away or empty. With --undo-gates it lifts our cordons and puts labels back; it never touches a replica, nor a cordon of an administrator.\nExit code 0: nothing is left that no open move will see to. 1: something is left.\nJSON: {mayastorUrl, nats: {state, why, open}, clean, gates, volumes, unreadable, foreignCordons, undone}.',
    options: defineOptions({
      undoGates: { flag: 'undo-gates', kind: 'boolean', description: 'Undo cordons and labels of ours, by their marks.' },
      force: {
        flag: 'force',
        kind: 'boolean',
        description: 'With --undo-gates: also while a move is open or the gate lock is held. Stop the migrator first.',
      },
      mayastorUrl,
      mayastorNamespace,
      ...clientOptions,
    }),
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const { timeoutMs } = values;
    const stack = values.mayastorUrl === undefined ? await findRunningStack({ dataDir: values.dataDir, env }) : undefined;
    const url = stack?.mayastorUrl ?? mayastorUrlOf(values);
    const mayastor = new MayastorClient({ url, requestTimeoutMs: timeoutMs });
    // The local stack's NATS says nothing about another cluster.
    const journal = await readJournal({ values: { ...values, natsUrl: values.natsUrl ?? stack?.natsUrl ?? defaultNatsUrl }, env });
    try {
      const look = async (): Promise<Findings> => {
        const cluster = await readCluster(mayastor);
        return findingsOf(cluster, await openAround(journal));
      };
      const before = await look();
      let undone: Undone[] | undefined;
      if (values.undoGates) {
        undone =
          before.gates.length === 0
            ? []
            : await undoGates({
                mayastor,
                look: async () => (await look()).gates,
                journal,
                force: values.force,
                callTimeoutMs: timeoutMs,
                leaseMs: Math.max(leaseMinMs, leaseCalls * timeoutMs),
                tell: output.note,
              });
      }
      const left = undone === undefined || undone.length === 0 ? before : await look();
      const clean = isClean(left) && (undone ?? []).every(({ ok }) => ok);
      if (values.json) {
        printJson(output, asJson({ url, journal, left, clean, undone }));
      } else {
        output.print(`Mayastor  ${url}`);
        output.print(`NATS      ${journalWords(journal)}`);
        output.print('');
        for (const { words, answer, ok } of undone ?? []) {
          output.print(`${ok ? 'undone' : output.paint('failed', 'red')}  ${words}: ${answer}`);
        }
        reportLines(left, { paint: output.paint, undoing: values.undoGates }).forEach(output.print);
      }
      return clean ? exitCodes.ok : exitCodes.failed;
    } finally {
      await closeJournal(journal);
      await mayastor.close();
    }
  },
);

function journalWords(journal: JournalView): string {
  switch (journal.kind) {
    case 'away':
      return `away (${journal.why}): whether a move is open is not known`;
    case 'unreadable':
      return `not readable: ${journal.why}`;
    case 'read':
      return `${journal.client.natsUrl}, ${journal.open.length} open moves`;
  }
}

function asJson(o: {
  url: string;
  journal: JournalView;
  left: Findings;
  clean: boolean;
  undone: readonly Undone[] | undefined;
}): Record<string, unknown> {
  const { journal, left } = o;
  return {
    mayastorUrl: o.url,
    nats: journal.kind === 'read' ? { state: journal.kind, open: journal.open } : { state: journal.kind, why: journal.why },
    clean: o.clean,
    gates: left.gates.map(({ leftover: _leftover, ...gate }) => gate),
    volumes: left.volumes.map((volume) => ({ ...volume, removal: removalCommands(volume) })),
    unreadable: left.unreadable,
    foreignCordons: left.foreignCordons,
    ...(o.undone === undefined ? {} : { undone: o.undone }),
  };
}
