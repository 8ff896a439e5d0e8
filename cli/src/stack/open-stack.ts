/** From a data folder to a running stack and back: the lock, what a killed supervisor left behind, and the files. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keepCopy } from './keep-copy.ts';
import { type Layout, shippedFile } from './layout.ts';
import { endLeftovers } from './leftovers.ts';
import { Stack, type StackInput } from './stack.ts';
import { readStackFile } from './stack-file.ts';
import { takeSupervisorLock } from './supervisor-lock.ts';
import { vaultHindrance } from './vault-place.ts';

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
    // Beside whatever policies there are: they may be those of a person, or older than the vault.
    await keepCopy({ from: shippedFile('policies/local-ec.yaml'), to: join(layout.policiesDir, 'local-ec.yaml') });
    tell({
      kind: 'progress',
      text: `policies ${policies === 'copied' ? 'copied to' : 'are in'} ${layout.policiesDir}; edit them while it runs`,
    });
    stack = await Stack.plan({ ...o, withVault: o.withVault && (await canKeepVault(o)) });
    o.signal.throwIfAborted();
    tell({ kind: 'progress', text: `starting; logs are in ${layout.logsDir}` });
    await stack.start(o.signal);
    return { stack, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A vault that cannot be kept here is left out, and it is told why. */
async function canKeepVault({ layout, tell }: OpenStackInput): Promise<boolean> {
  const hindrance = await vaultHindrance(layout);
  if (hindrance !== undefined) {
    tell({ kind: 'progress', name: 'ec-encoder', text: `ec-encoder is left out: ${hindrance}` });
  }
  return hindrance === undefined;
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
    layout.vaultDir,
    layout.stackFile,
  ];
  await Promise.all(ours.map((path) => rm(path, { recursive: true, force: true })));
}
