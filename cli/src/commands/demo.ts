/** `couchestor demo`: the compressed scenario, unattended, judged at its end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineOptions } from '@couchestor/shared/options';
import { defineCommand } from '../command.ts';
import { type ChaosResult, runChaos } from '../demo/run-chaos.ts';
import { runDemo } from '../demo/run-demo.ts';
import type { Verdict } from '../demo/verdict.ts';
import { exitCodes } from '../errors.ts';
import { layoutOf } from '../stack/layout.ts';
import { stackOptions } from '../stack/options.ts';
import { type Paint, painter } from '../terminal/ansi.ts';
import { formatBytes, formatClock, formatCount } from '../terminal/format.ts';

export const demo = defineCommand(
  {
    usage: ['couchestor demo [options]', 'couchestor demo --chaos [options]'],
    summary:
      'Runs the local stack on a compressed scenario, unattended: volumes move up and down, one that cannot says why, the migrator is killed in mid-move and recovers, and every byte is verified. Meanwhile a vault loses two of its six drives, reads everything without them, and is rebuilt. Ends by itself within 90 seconds of work. Exit code 0: all of it was seen and nothing was lost.\nWith --chaos: one volume moves, and meanwhile the migrator is killed at several steps, and the brain, Redis, NATS and the cluster in turn; ends with a timeline, within two minutes.\nJSON: the counts of the demonstration with vault: {bytesWritten, bytesVerified, mismatches, drivesFailed, reconstructions, stripesRebuilt, survives, seconds, problems} (null where none can be kept), or with --chaos {moveId, outcome, kills: [{process, step, sinceStartMs, backAfterMs, recovery}], ...}; bytesVerified, corrupt, underReplicatedMs, seconds and problems in both.',
    options: defineOptions({
      ...stackOptions,
      chaos: { flag: 'chaos', kind: 'boolean', description: 'Kill every process of the system during one and the same move.' },
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
      const input = { layout, install: !values.noInstall, env, tell: (text: string, at: Date) => tell(`${formatClock(at)}  ${text}`) };
      const look = { paint: values.json ? painter(false) : output.paint, columns: output.columns };
      const { verdict, lines } = values.chaos ? chaosSummary(await runChaos(input), look) : demoSummary(await runDemo(input), look);
      passed = verdict.problems.length === 0;
      lines.forEach(tell);
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

interface Look {
  readonly paint: Paint;
  readonly columns: number | undefined;
}

function demoSummary(verdict: Verdict, { paint }: Look): { verdict: Verdict; lines: string[] } {
  const counts = `promoted ${verdict.promoted}, demoted ${verdict.demoted}, refused ${verdict.refused}, recovered after a kill ${verdict.recovered}, failed ${verdict.failed}`;
  return { verdict, lines: ['', counts, ...vaultLines(verdict), ...judgement(verdict, paint)] };
}

function vaultLines({ vault }: Verdict): string[] {
  if (vault === null) {
    return [];
  }
  const { bytesWritten, bytesVerified, mismatches, drivesFailed, reconstructions, stripesRebuilt, seconds } = vault;
  return [
    `vault: ${formatBytes(bytesWritten)} written, ${drivesFailed} of its drives lost, ${formatCount(reconstructions)} reads reconstructed, ${formatCount(stripesRebuilt)} stripes rebuilt, ${formatBytes(bytesVerified)} read back with ${mismatches} mismatches, ${seconds} s`,
  ];
}

function chaosSummary({ verdict, timeline }: ChaosResult, look: Look): { verdict: ChaosResult['verdict']; lines: string[] } {
  const head = `${verdict.kills.length} kills in one move, which ended as ${verdict.outcome ?? 'nothing'}`;
  return { verdict, lines: [...timeline(look), '', head, ...judgement(verdict, look.paint)] };
}

function judgement(verdict: Verdict | ChaosResult['verdict'], paint: Paint): string[] {
  return [
    `${formatBytes(verdict.bytesVerified)} verified, ${verdict.corrupt} corrupt, ${verdict.underReplicatedMs} ms under-replicated, ${verdict.seconds} s`,
    ...verdict.problems.map((problem) => paint(`! ${problem}`, 'red')),
    verdict.problems.length === 0 ? paint('Nothing was lost.', 'green', 'bold') : paint('The demonstration failed.', 'red', 'bold'),
  ];
}
