/** What the uninstaller tells a person. */
import { count } from '../doctor/check.ts';
import type { Findings, OpenMove } from '../doctor/findings.ts';
import { reportLines } from '../doctor/report.ts';
import type { Paint } from '../terminal/ansi.ts';
import type { Remaining } from './remains.ts';
import type { Done } from './step.ts';

export interface UninstallOutcome {
  readonly mayastorUrl: string;
  /** In words: where it answers and how many moves are open, or why that is not known. */
  readonly nats: string;
  /** False in a rehearsal of what would be refused: nothing is told that could be done. */
  readonly movesKnown: boolean;
  readonly brainRuns: boolean;
  readonly dryRun: boolean;
  readonly openMoves: readonly OpenMove[];
  /** Of ours, on custom resources. Undefined: Kubernetes was not looked at. */
  readonly finalizers: number | undefined;
  /** What was done, or would be: then `answer` says so. */
  readonly done: readonly Done[];
  readonly left: Findings;
  readonly clean: boolean;
  readonly remains: readonly Remaining[];
}

export function uninstallLines(o: UninstallOutcome, paint: Paint): string[] {
  const heading = (text: string): string => paint(text, 'bold');
  return [
    `Mayastor  ${o.mayastorUrl}`,
    `NATS      ${o.nats}`,
    '',
    ...(o.brainRuns
      ? [paint('policy-brain still runs, and may begin anew at any time: stop it, then run this again.', 'yellow', 'bold'), '']
      : []),
    ...(o.movesKnown
      ? []
      : [
          paint(
            'Nothing would be done: a migrator may be at work. Give --nats-url, or --force once every migrator is stopped.',
            'yellow',
            'bold',
          ),
        ]),
    ...o.done.map(
      ({ words, answer, ok }) => `${ok ? answer.padEnd(13) : paint('failed'.padEnd(13), 'red')}  ${words}${ok ? '' : `: ${answer}`}`,
    ),
    ...(o.done.length === 0 && o.movesKnown ? ['There was nothing to undo.'] : []),
    ...(o.finalizers === undefined
      ? []
      : [
          o.finalizers === 0
            ? 'No custom resource has a finalizer of ours: none can be stuck.'
            : `${count(o.finalizers, 'custom resource')} had finalizers of ours.`,
        ]),
    '',
    ...(o.dryRun ? [] : [...reportLines(o.left, { paint, undoing: true, movesKnown: o.movesKnown, brainRuns: o.brainRuns }), '']),
    ...(o.remains.length === 0 ? [] : [heading(o.dryRun ? 'What would remain to be deleted' : 'What remains to be deleted')]),
    ...o.remains.flatMap(({ what, commands }) => [`  ${what}`, ...commands.map((command) => `    ${command}`)]),
  ];
}
