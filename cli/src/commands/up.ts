/** `couchestor up`: everything on this machine, until Ctrl-C. */
import { defineOptions } from '@couchestor/shared/options';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../errors.ts';
import { layoutOf, shippedFile } from '../stack/layout.ts';
import { stackOptions } from '../stack/options.ts';
import { stopOnSignals } from '../stack/stop-signal.ts';
import { withStack } from '../stack/with-stack.ts';
import { formatClock, formatSeconds } from '../terminal/format.ts';
import { LiveFeed } from '../view/live-feed.ts';
import { showLive } from '../view/show-live.ts';

export const up = defineCommand(
  {
    usage: ['couchestor up [options]'],
    summary:
      'Runs everything on this machine: nats-server, redis-server and prometheus (or those that NATS_URL, REDIS_URL and PROMETHEUS_URL name), a simulated Mayastor cluster that works, the services, and a vault for erasure-coded volumes. Shows it live on a terminal, as plain lines elsewhere. Ctrl-C stops all of it.',
    options: defineOptions({
      ...stackOptions,
      fresh: { flag: 'fresh', kind: 'boolean', description: 'Forget what former runs have left: volumes, policies, history.' },
      scenario: {
        flag: 'scenario',
        kind: 'path',
        optional: true,
        description: 'The cluster and its workload to begin with. Absent: deploy/local/start.yaml.',
      },
      policies: {
        flag: 'policies',
        kind: 'path',
        optional: true,
        description: 'Folder of policies to begin with, where there are none yet. Absent: deploy/local/policies.',
      },
    }),
    positionalsMax: 0,
  },
  async ({ values, invocation: { env, output } }) => {
    const layout = layoutOf({ dataDir: values.dataDir, env });
    let screen: { close(): void } | undefined;
    const line = (text: string, at = new Date()): void => output.print(`${formatClock(at)}  ${text}`);
    const feed = new LiveFeed({
      startedAt: new Date(),
      dataDir: layout.dataDir,
      // The screen shows events itself.
      onEvent: ({ at, text }) => screen ?? line(text, at),
    });
    const closeScreen = (): void => {
      screen?.close();
      screen = undefined;
    };
    const stopping = stopOnSignals({
      onFirst: () => {
        closeScreen();
        line('stopping; once more to stop at once');
      },
      // Children end by themselves when we are gone.
      onSecond: () => process.exit(exitCodes.failed),
    });
    try {
      const { stopMs } = await withStack(
        {
          layout,
          scenarioFrom: values.scenario ?? shippedFile('start.yaml'),
          policiesFrom: values.policies ?? shippedFile('policies'),
          fresh: values.fresh,
          install: !values.noInstall,
          withVault: true,
          env,
          feed,
          signal: stopping.signal,
          onStopping: closeScreen,
        },
        async (stack, startMs) => {
          if (stack.hasVault) {
            line(
              `the vault serves its volumes at nbd+unix:///NAME?socket=${layout.nbdSocket}; \`couchestor ec volume create NAME 1GiB\` makes one`,
            );
          }
          line(`up after ${formatSeconds(startMs)}; \`couchestor status\` and \`couchestor volumes\` work in another terminal`);
          if (process.stdout.isTTY && !stopping.signal.aborted) {
            screen = showLive({ terminal: process.stdout, feed, paint: output.paint });
          }
          await stopping.stopped;
        },
      );
      const { moved, refused, failed } = feed.state.totals;
      line(`stopped in ${formatSeconds(stopMs)}; moved ${moved}, refused ${refused}, failed ${failed}`);
    } catch (error) {
      if (!stopping.signal.aborted) {
        throw error;
      }
      line('stopped while starting');
    } finally {
      stopping.detach();
    }
    return exitCodes.ok;
  },
);
