/** The demonstration from start to verdict. */
import { sleep } from '@couchestor/shared/time';
import type { Layout } from '../stack/layout.ts';
import { shippedFile } from '../stack/layout.ts';
import type { Stack } from '../stack/stack.ts';
import { stopOnSignals } from '../stack/stop-signal.ts';
import { withStack } from '../stack/with-stack.ts';
import { LiveFeed } from '../view/live-feed.ts';
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

export interface RunDemoInput {
  readonly layout: Layout;
  readonly install: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly tell: (text: string, at: Date) => void;
}

export async function runDemo(o: RunDemoInput): Promise<Verdict> {
  const feed = new LiveFeed({ startedAt: new Date(), dataDir: o.layout.dataDir, onEvent: ({ at, text }) => o.tell(text, at) });
  const say = (text: string): void => o.tell(text, new Date());
  const stopping = stopOnSignals({ onFirst: () => say('stopping'), onSecond: () => process.exit(1) });
  let stack: Stack | undefined;
  const watcher = new DemoWatcher({
    feed,
    killMigrator: () => {
      if (stack === undefined) {
        return false;
      }
      say('killing the migrator (kill -9) in the middle of this move');
      stack.kill('migrator', 'SIGKILL');
      return true;
    },
  });
  try {
    const { result } = await withStack(
      {
        layout: o.layout,
        scenarioFile: shippedFile('demo.yaml'),
        policiesFrom: shippedFile('demo-policies'),
        fresh: true,
        install: o.install,
        env: o.env,
        feed,
        watcher,
        signal: stopping.signal,
        onStopping: () => undefined,
      },
      async (started) => {
        stack = started;
        return play({ stack: started, watcher, say, signal: stopping.signal });
      },
    );
    return result;
  } finally {
    stopping.detach();
  }
}

async function play(o: { stack: Stack; watcher: DemoWatcher; say: (text: string) => void; signal: AbortSignal }): Promise<Verdict> {
  const { stack, watcher, say, signal } = o;
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
