/** The demonstration from start to verdict. */
import { describeError } from '@couchestor/shared/errors';
import { sleep } from '@couchestor/shared/time';
import type { Layout } from '../stack/layout.ts';
import { type DemoInput, type DemoTools, withDemoStack } from './demo-stack.ts';
import { DemoWatcher } from './demo-watcher.ts';
import { inspect, replicaCounts } from './inspect.ts';
import { goalsOf } from './story.ts';
import { playVaultAct } from './vault-act.ts';
import { type VaultReport, type Verdict, verdictOf } from './verdict.ts';

/** From the start of the services to the end of the verification. */
const secondsMax = 90;
/** What is left of it is for open moves to end and for the verification. */
const goalsTimeoutMs = 72_000;
const settleTimeoutMs = 12_000;
const lookMs = 200;

export function runDemo(o: DemoInput): Promise<Verdict> {
  return withDemoStack(
    { ...o, scenario: 'demo.yaml', policies: 'demo-policies', withVault: true },
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
    (tools) => play(tools, o.layout),
  );
}

async function play({ stack, watcher, say, signal }: DemoTools<DemoWatcher>, layout: Layout): Promise<Verdict> {
  const { mayastorUrl, adminUrl } = stack.addresses;
  const sinceMs = (): number => performance.now() - stack.servicesStartedMs;
  const atStart = await replicaCounts(mayastorUrl);
  // Meanwhile: decisions about volumes need a window of measurements first.
  const act = stack.hasVault ? judged(playVaultAct({ layout, say, signal })) : undefined;
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
  const vault = await act;
  signal.throwIfAborted();
  say('verifying every byte of every replica');
  const findings = await inspect({ mayastorUrl, adminUrl, atStart });
  findings.faults.forEach(say);
  return verdictOf({ story: watcher.story, findings, vault, seconds: Math.round(sinceMs() / 100) / 10, secondsMax });
}

/** It fails for itself: the rest of the demonstration goes on to its end. */
function judged(act: Promise<VaultReport>): Promise<VaultReport | { readonly failure: string }> {
  return act.catch((error: unknown) => ({ failure: describeError(error) }));
}

function tellReached(watcher: DemoWatcher, told: Set<string>, say: (text: string) => void): void {
  for (const { what, reached } of goalsOf(watcher.story)) {
    if (reached && !told.has(what)) {
      told.add(what);
      say(`seen: ${what}`);
    }
  }
}
