/** docs/fault-table.md: what happens to a move for every event at every step, from the table that the simulation plays. */
import { type MoveStep, moveSteps } from '@couchestor/shared/contracts/migration';
import { type Cell, type FaultEvent, faultEvents, faultTable } from '../../tests/sim/fault-table.ts';
import { code, generatedPage, table } from './markdown.ts';

const events = Object.keys(faultEvents) as FaultEvent[];

export function faultTablePage(): string {
  return generatedPage({
    title: 'Fault table',
    from: 'tests/sim/fault-table.ts',
    intro: [
      "What happens to a move, and why nothing is lost, for every event at every [step](safety.md#the-steps). `tests/sim/fault-table.test.ts` lets each event happen at each step, as it begins and in the midst of its calls, with both kinds of bias. At the end of each, no call of ours has left fewer synced replicas than there were (S1, S2), nothing of ours is left in Mayastor, an administrator's cordon or label stands (S3), and `num_replicas` is what it was. There is one more where an ending is `kept-old`, and it is theirs where the table says so.",
      'The volume has two replicas, the event comes with the first of them in hand, and every fault is over after a while. The steps of the way back are reached by a cancellation, so there a move ends as `CANCELLED`. What the endings mean stands in [errors](errors.md#how-a-move-ends), what to do about each in the [runbook](runbook.md). `NO_END_TOLD` is none: no record of the move is left, and the brain decides anew.',
    ].join('\n\n'),
    sections: [eventsSection(), ...moveSteps.map(stepSection)],
  });
}

function eventsSection(): string {
  return `## Events\n\n${table(
    ['Event', 'What happens'],
    events.map((event) => [event, faultEvents[event]]),
  )}`;
}

function stepSection(step: MoveStep): string {
  const rows = events.map((event) => [event, ...cellWords(faultTable[step][event])]);
  return `## ${step}\n\n${table(['Event', 'What happens, and why nothing is lost', 'Ends as'], rows)}`;
}

function cellWords(cell: Cell): [string, string] {
  if ('cannotBe' in cell) {
    return [`_Cannot be:_ ${cell.cannotBe}`, '-'];
  }
  const whose = cell.theirs ? ', `num_replicas` as they set it' : '';
  return [cell.keeps, `${cell.ends.map(code).join(' or ')}${whose}`];
}
