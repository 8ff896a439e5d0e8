/** The demonstration from start to verdict. */
import { sleep } from '@couchestor/shared/time';
import { type DemoInput, type DemoTools, withDemoStack } from './demo-stack.ts';
import { DemoWatcher } from './demo-watcher.ts';
import { inspect, replicaCounts } from './inspect.ts';
import { goalsOf } from './story.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** From the start of the services to the end of the verification. */
const secondsMax = 90;
/** What is left of it is for open moves to end and for the verification. */
const goalsTimeoutMs = 72_000;
const settleTimeoutMs = 12_000;
const lookMs = 200;

export function runDemo(o: DemoInput): Promise<Verdict> {
  return withDemoStack(
    { ...o, scenario: 'demo.yaml', policies: 'demo-policies' },
    ({ feed, stack, say }) =>
      new DemoWatcher({
        feed,
        killMigrator: () => {
          if (stack() === undefined) {
            return false;
          }
          say('killing the migrator (kill -9) in the middle of this move');
          return stack()?.kill('migrator', 'SIGKILL') === true;
        },
      }),
    play,
  );
}

async function play({ stack, watcher, say, signal }: DemoTools<DemoWatcher>): Promise<Verdict> {
  const { mayastorUrl, adminUrl } = stack.addresses;
  const sinceMs = (): number => performance.now() - stack.servicesStartedMs;
  const atStart = await replicaCounts(mayastorUrl);
  const told = new Set<string>();
  while (sinceMs() < goalsTimeoutMs && goalsOf(watcher.story).some(({ reached }) => !reached)) {
    tellReached(watcher, told, say);
    await sleep(lookMs, signal);
  }
  tellReached(watcher, told, say);
  // Only then is the cluster at rest: a move under way has its marks in it, and rightly so.
  const settleUntilMs = sinceMs() + settleTimeoutMs;
  while (sinceMs() < settleUntilMs && watcher.openMoves !== 0) {
    await sleep(lookMs, signal);
  }
  say('verifying every byte of every replica');
  const findings = await inspect({ mayastorUrl, adminUrl, atStart });
  findings.faults.forEach(say);
  return verdictOf({ story: watcher.story, findings, seconds: Math.round(sinceMs() / 100) / 10, secondsMax });
}

function tellReached(watcher: DemoWatcher, told: Set<string>, say: (text: string) => void): void {
  for (const { what, reached } of goalsOf(watcher.story)) {
    if (reached && !told.has(what)) {
      told.add(what);
      say(`seen: ${what}`);
    }
  }
}
