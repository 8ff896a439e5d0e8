/** The chaos demonstration: one move, and a kill of everything that takes part in it. */
import { showMove } from '@couchestor/shared/contracts/migrator';
import { sleep } from '@couchestor/shared/time';
import type { Paint } from '../terminal/ansi.ts';
import { chaosPlan, killable } from './chaos-plan.ts';
import { ChaosWatcher } from './chaos-watcher.ts';
import { type DemoInput, type DemoTools, withDemoStack } from './demo-stack.ts';
import { inspect, replicaCounts } from './inspect.ts';
import { type Recovery, recoveriesOf, recoveryLines, timelineLines } from './timeline.ts';
import type { Findings } from './verdict.ts';

/** From the start of the services to the end of the verification. */
const secondsMax = 120;
/** What is left of it is for the verification. */
const moveTimeoutMs = 112_000;
const askTimeoutMs = 5_000;
const lookMs = 200;

export interface ChaosVerdict extends Pick<Findings, 'bytesVerified' | 'corrupt' | 'underReplicatedMs'> {
  readonly moveId: string | undefined;
  readonly outcome: string | undefined;
  readonly kills: readonly Recovery[];
  readonly seconds: number;
  /** Empty where all went well. */
  readonly problems: readonly string[];
}

export interface ChaosResult {
  readonly verdict: ChaosVerdict;
  /** The whole move, for the screen. */
  timeline(o: { paint: Paint; columns: number | undefined }): string[];
}

export function runChaos(o: DemoInput): Promise<ChaosResult> {
  const plan = killable(chaosPlan, o.env);
  return withDemoStack(
    { ...o, scenario: 'chaos.yaml', policies: 'demo-policies', withVault: false },
    ({ feed, stack, say }) =>
      new ChaosWatcher({
        feed,
        plan,
        allUp: () => stack()?.processes.every(({ up }) => up) === true,
        kill: ({ process, at }) => {
          const killed = stack()?.kill(process, 'SIGKILL') === true;
          if (killed) {
            say(`killing ${process} (kill -9) at ${at}`);
          }
          return killed;
        },
      }),
    play,
  );
}

async function play({ stack, watcher, say, signal, bus }: DemoTools<ChaosWatcher>): Promise<ChaosResult> {
  const { mayastorUrl, adminUrl } = stack.addresses;
  const sinceMs = (): number => performance.now() - stack.servicesStartedMs;
  const atStart = await replicaCounts(mayastorUrl);
  while (watcher.finished === undefined && sinceMs() < moveTimeoutMs) {
    await sleep(lookMs, signal);
  }
  say('verifying every byte of every replica');
  const findings = await inspect({ mayastorUrl, adminUrl, atStart });
  findings.faults.forEach(say);
  const { finished, kills } = watcher;
  const startMs = Date.parse(finished?.startedAt ?? '') || Date.now();
  const story = finished === undefined ? [] : (await bus.call(showMove, { move: finished.moveId }, { timeoutMs: askTimeoutMs })).story;
  const recoveries = recoveriesOf({ startMs, story, kills });
  const seconds = Math.round(sinceMs() / 100) / 10;
  return {
    verdict: {
      moveId: finished?.moveId,
      outcome: finished?.result.outcome,
      kills: recoveries,
      bytesVerified: findings.bytesVerified,
      corrupt: findings.corrupt,
      underReplicatedMs: findings.underReplicatedMs,
      seconds,
      problems: problemsOf({ watcher, findings, seconds }),
    },
    timeline: (look) => ['', ...timelineLines({ startMs, story, kills, ...look }), '', ...recoveryLines(recoveries)],
  };
}

function problemsOf({ watcher, findings, seconds }: { watcher: ChaosWatcher; findings: Findings; seconds: number }): string[] {
  const { finished } = watcher;
  return [
    ...(finished === undefined ? ['the move did not end in time'] : []),
    ...(finished !== undefined && finished.result.outcome !== 'success'
      ? [`the move ended as ${finished.result.code}: ${finished.result.message}`]
      : []),
    ...watcher.missed.map(({ process, at }) => `${process} was not killed at ${at}: the move was too quick`),
    ...(findings.bytesVerified === 0 ? ['no byte was verified'] : []),
    ...(findings.corrupt > 0 ? [`${findings.corrupt} corrupt: bytes were lost or changed`] : []),
    ...(findings.underReplicatedMs > 0 ? [`a volume had too few synced replicas for ${findings.underReplicatedMs} ms`] : []),
    ...findings.leftovers,
    ...(seconds > secondsMax ? [`took ${seconds} s, and ${secondsMax} s are allowed`] : []),
  ];
}
