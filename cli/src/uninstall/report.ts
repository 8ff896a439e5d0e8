/** What the uninstaller tells a person. */
import type { Findings, OpenMove } from '../doctor/findings.ts';
import { reportLines } from '../doctor/report.ts';
import type { Paint } from '../terminal/ansi.ts';
import type { Remaining } from './remains.ts';
import type { Done } from './step.ts';

export interface UninstallOutcome {
  readonly mayastorUrl: string;
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
    '',
    ...o.done.map(
      ({ words, answer, ok }) => `${ok ? answer.padEnd(13) : paint('failed'.padEnd(13), 'red')}  ${words}${ok ? '' : `: ${answer}`}`,
    ),
    ...(o.done.length === 0 ? ['There was nothing to undo.'] : []),
    ...(o.finalizers === undefined
      ? []
      : [
          o.finalizers === 0
            ? 'No custom resource has a finalizer of ours: none can be stuck.'
            : `${o.finalizers} custom resources had finalizers of ours.`,
        ]),
    '',
    ...(o.dryRun ? [] : [...reportLines(o.left, { paint, undoing: true }), '']),
    heading(o.dryRun ? 'What would remain to be deleted' : 'What remains to be deleted'),
    ...o.remains.flatMap(({ what, commands }) => [`  ${what}`, ...commands.map((command) => `    ${command}`)]),
  ];
}
