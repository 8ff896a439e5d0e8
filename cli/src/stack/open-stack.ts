/** From a data folder to a running stack and back: the lock, what a killed supervisor left behind, and the files. */
import { mkdir, rm } from 'node:fs/promises';
import { keepCopy } from './keep-copy.ts';
import type { Layout } from './layout.ts';
import { endLeftovers } from './leftovers.ts';
import { Stack, type StackInput } from './stack.ts';
import { readStackFile } from './stack-file.ts';
import { takeSupervisorLock } from './supervisor-lock.ts';

export interface OpenStackInput extends StackInput {
  /** What is copied into the data folder where there is nothing yet. */
  readonly scenarioFrom: string;
  readonly policiesFrom: string;
  /** Forget what former runs have left. */
  readonly fresh: boolean;
  readonly signal: AbortSignal;
}

export interface OpenStack {
  readonly stack: Stack;
  close(): Promise<void>;
}

/** Resolves once all is ready. Where that fails or is aborted, everything that was started is stopped before it rejects. */
export async function openStack(o: OpenStackInput): Promise<OpenStack> {
  const { layout, tell } = o;
  await mkdir(layout.dataDir, { recursive: true });
  const lock = await takeSupervisorLock(layout.lockFile);
  let stack: Stack | undefined;
  const close = async (): Promise<void> => {
    await stack?.stop();
    await rm(layout.stackFile, { force: true });
    await lock.release();
  };
  try {
    const left = await readStackFile(layout.stackFile);
    const ended = left === undefined ? [] : await endLeftovers(left);
    if (ended.length > 0) {
      tell({ kind: 'progress', text: `ended what a killed run had left: ${ended.join(', ')}` });
    }
    if (o.fresh) {
      await forget(layout);
    }
    await keepCopy({ from: o.scenarioFrom, to: layout.scenarioFile });
    const policies = await keepCopy({ from: o.policiesFrom, to: layout.policiesDir });
    tell({
      kind: 'progress',
      text: `policies ${policies === 'copied' ? 'copied to' : 'are in'} ${layout.policiesDir}; edit them while it runs`,
    });
    stack = await Stack.plan(o);
    o.signal.throwIfAborted();
    tell({ kind: 'progress', text: `starting; logs are in ${layout.logsDir}` });
    await stack.start(o.signal);
    return { stack, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Only what is ours: the folder may be one that a person uses for other things too. */
async function forget(layout: Layout): Promise<void> {
  const ours = [
    layout.scenarioFile,
    layout.policiesDir,
    layout.logsDir,
    layout.natsDir,
    layout.redisDir,
    layout.prometheusDir,
    layout.simulatorDir,
    layout.stackFile,
  ];
  await Promise.all(ours.map((path) => rm(path, { recursive: true, force: true })));
}
