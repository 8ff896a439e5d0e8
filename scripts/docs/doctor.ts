/** docs/doctor.md: the checks of `couchestor doctor`. */
import { checks } from '@couchestor/cli/doctor/checks';
import { code, generatedPage, table } from './markdown.ts';

export function doctorPage(): string {
  return generatedPage({
    title: 'What the doctor checks',
    from: 'cli/src/doctor/checks.ts',
    intro:
      '`couchestor doctor` looks at everything that moves rest on, changes nothing, and ends with exit code 1 where a check has found a problem, or where something of ours is left in Mayastor that no open move will see to. Each check gives one of four verdicts, with its numbers, and a cure where one is needed:',
    sections: [
      table(
        ['Verdict', 'Meaning'],
        [
          [code('ok'), 'as it should be'],
          [code('warning'), 'works, but not for every volume, or not through every mishap; the exit code is not affected'],
          [code('problem'), 'moves cannot work, or data that they rest on can be lost'],
          [code('not checked'), 'it could not be looked at, and why: nothing was given to look at, it is away, or the account may not ask'],
        ],
      ),
      `## The checks\n\nIn the order in which they are told. ${code('--json')} gives them as ${code('checks')}.\n\n${table(
        ['Check', 'What it asks'],
        checks.map(({ id, asks }) => [code(id), asks]),
      )}`,
    ],
  });
}
