/** What the doctor tells a person. */
import { redactUrls } from '@couchestor/shared/redact-url';
import type { Paint } from '../terminal/ansi.ts';
import { count } from './check.ts';
import type { Findings, GateFinding, VolumeFinding } from './findings.ts';
import { isClean } from './findings.ts';
import type { JournalView } from './look.ts';

interface ReportOptions {
  readonly paint: Paint;
  /** Gates are about to be undone, or have been. */
  readonly undoing: boolean;
  /** False: what stands may belong to an open move, so that nobody is told how to take it away. */
  readonly movesKnown: boolean;
  /** What is looked at is to be the last of it, and a brain runs that may begin anew. */
  readonly brainRuns?: boolean;
}

export function journalWords(journal: JournalView): string {
  switch (journal.kind) {
    case 'away':
      return `away, open moves are not known (${journal.why})`;
    case 'unreadable':
      return `not readable, open moves are not known (${journal.why})`;
    case 'read':
      return `${redactUrls(journal.client.natsUrl)}, ${count(journal.open.length, 'open move')}`;
  }
}

/** Lines about what stands in Mayastor. */
export function reportLines(findings: Findings, o: ReportOptions): string[] {
  const { paint } = o;
  const heading = (text: string): string => paint(text, 'bold');
  const { gates, volumes, unreadable, foreignCordons } = findings;
  return [
    ...(gates.length === 0 ? [] : [heading('Cordons and labels of ours'), ...gates.flatMap((gate) => gateLines(gate, o)), '']),
    ...(volumes.length === 0 ? [] : [heading('Volumes with a mark of ours'), ...volumes.flatMap((volume) => volumeLines(volume, o)), '']),
    ...(unreadable.length === 0
      ? []
      : [
          heading('Labels that look like ours and cannot be read'),
          ...unreadable.map(({ pool, label, value }) => `  pool ${pool}: ${label}=${value}`),
          '  Nothing of ours acts on them. Remove each once you know what made it: kubectl mayastor label pool <pool> <label>-',
          '',
        ]),
    ...(foreignCordons.length === 0
      ? []
      : [heading('Cordons that are not ours, and are left alone'), ...foreignCordons.map((cordon) => `  ${cordon}`), '']),
    verdict(findings, o),
  ];
}

/** How to take the extra replica away by hand, so that Mayastor removes that one and no other. */
export function removalCommands({ volumeId, originalReplicas, extra, pool, label }: VolumeFinding): string[] {
  return extra === undefined
    ? []
    : [
        `kubectl mayastor cordon node ${extra.node} couchestor-by-hand`,
        `kubectl mayastor scale volume ${volumeId} ${originalReplicas}`,
        `kubectl mayastor uncordon node ${extra.node} couchestor-by-hand`,
        `kubectl mayastor label pool ${pool} ${label}-`,
      ];
}

function gateLines(gate: GateFinding, { undoing, movesKnown }: ReportOptions): string[] {
  const unexplained = movesKnown ? 'no open move is known for it' : 'whether its move is open is not known';
  const why = gate.explainedBy === undefined ? unexplained : `in use by the open move, at ${gate.explainedBy}`;
  return [
    `  ${gate.where}: ${gate.what}, by move ${gate.moveId}; ${why}`,
    ...(undoing ? [] : [`    --undo-gates would: ${gate.undo.join('; ')}`]),
  ];
}

function volumeLines(finding: VolumeFinding, { movesKnown }: ReportOptions): string[] {
  const { volumeId, moveId, pool, originalReplicas, numReplicas, extra, kept, label } = finding;
  const head = `  volume ${volumeId}: marked on pool ${pool} by move ${moveId}${kept ? ', which kept both replicas' : ''}`;
  const indented = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`);
  if (finding.explainedBy !== undefined) {
    return [head, ...indented([`its move is open, at ${finding.explainedBy}: nothing to do`])];
  }
  if (!movesKnown) {
    const replicas =
      numReplicas === undefined ? 'there is no such volume any more' : `it has num_replicas ${numReplicas}, and had ${originalReplicas}`;
    const cure = 'what to do is told with --nats-url, or with --force once every migrator is stopped';
    return [head, ...indented([replicas, `whether its move is open is not known: ${cure}`])];
  }
  const unmark = `a running migrator removes the mark; by hand: kubectl mayastor label pool ${pool} ${label}-`;
  if (numReplicas === undefined) {
    return [head, ...indented(['there is no such volume any more', unmark])];
  }
  if (numReplicas <= originalReplicas) {
    return [head, ...indented([`it has num_replicas ${numReplicas}, and had ${originalReplicas}: no replica too many`, unmark])];
  }
  const tooMany = `it has num_replicas ${numReplicas}, and had ${originalReplicas}`;
  if (extra === undefined) {
    return [head, ...indented([`${tooMany}; none of its replicas is on pool ${pool}, so the marks do not tell which one was added`])];
  }
  return [
    head,
    ...indented([
      `${tooMany}: the move added replica ${extra.uuid} on pool ${extra.pool}, node ${extra.node} (${extra.state})`,
      kept
        ? 'to remove the added one (or cordon the node of the one that it was to replace instead), once all replicas are Online:'
        : 'a running migrator whose journal lacks the move takes it back by itself; by hand, once the others are Online:',
      ...removalCommands(finding).map((command) => `  ${command}`),
    ]),
  ];
}

function verdict(findings: Findings, { paint, undoing, brainRuns = false }: ReportOptions): string {
  if (isClean(findings)) {
    const open = findings.gates.length + findings.volumes.length;
    const nothing = brainRuns ? 'Nothing of ours is in Mayastor at this moment.' : 'Nothing of ours is left in Mayastor.';
    return paint(open === 0 ? nothing : 'All of it belongs to open moves.', brainRuns ? 'yellow' : 'green', 'bold');
  }
  const gates = findings.gates.filter(({ explainedBy }) => explainedBy === undefined).length;
  const others = findings.volumes.filter(({ explainedBy }) => explainedBy === undefined).length + findings.unreadable.length;
  const hint = gates > 0 && !undoing ? '. `couchestor doctor --undo-gates` undoes cordons and labels' : '';
  return paint(`Left: ${count(gates, 'cordon or label', 'cordons or labels')}, ${count(others, 'mark')}${hint}.`, 'yellow', 'bold');
}
