/** `couchestor demo`: the compressed scenario, unattended, judged at its end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineOptions } from '@couchestor/shared/options';
import { defineCommand } from '../command.ts';
import { runDemo } from '../demo/run-demo.ts';
import type { Verdict } from '../demo/verdict.ts';
import { exitCodes } from '../errors.ts';
import { layoutOf } from '../stack/layout.ts';
import { stackOptions } from '../stack/options.ts';
import { type Paint, painter } from '../terminal/ansi.ts';
import { formatBytes, formatClock } from '../terminal/format.ts';

export const demo = defineCommand(
  {
    usage: ['couchestor demo [options]'],
    summary:
      'Runs the local stack on a compressed scenario, unattended: volumes move up and down, one that cannot says why, the migrator is killed in mid-move and recovers, and every byte is verified. Ends by itself within 90 seconds of work. Exit code 0: all of it was seen and nothing was lost.',
    options: defineOptions({
      ...stackOptions,
      json: {
        flag: 'json',
        kind: 'boolean',
        description: 'Print the result as one JSON object, alone on standard output; progress goes to standard error.',
      },
    }),
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const temporary = values.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'couchestor-demo-')) : undefined;
    const layout = layoutOf({ dataDir: values.dataDir ?? temporary, env });
    const tell = values.json ? output.note : output.print;
    let passed = false;
    try {
      const verdict = await runDemo({ layout, install: !values.noInstall, env, tell: (text, at) => tell(`${formatClock(at)}  ${text}`) });
      passed = verdict.problems.length === 0;
      summary(verdict, values.json ? painter(false) : output.paint).forEach(tell);
      if (values.json) {
        output.print(JSON.stringify(verdict));
      }
      return passed ? exitCodes.ok : exitCodes.failed;
    } finally {
      if (temporary !== undefined && passed) {
        await rm(temporary, { recursive: true, force: true });
      } else {
        output.note(`everything is kept in ${layout.dataDir}; logs are in ${layout.logsDir}`);
      }
    }
  },
);

function summary(verdict: Verdict, paint: Paint): string[] {
  return [
    '',
    `promoted ${verdict.promoted}, demoted ${verdict.demoted}, refused ${verdict.refused}, recovered after a kill ${verdict.recovered}, failed ${verdict.failed}`,
    `${formatBytes(verdict.bytesVerified)} verified, ${verdict.corrupt} corrupt, ${verdict.underReplicatedMs} ms under-replicated, ${verdict.seconds} s`,
    ...verdict.problems.map((problem) => paint(`! ${problem}`, 'red')),
    verdict.problems.length === 0 ? paint('Nothing was lost.', 'green', 'bold') : paint('The demonstration failed.', 'red', 'bold'),
  ];
}
