/** Ends what a killed supervisor left running: only processes that it had noted, and only where they are still the same ones. */
import { sleep } from '@couchestor/shared/time';
import { isRunning } from './process-identity.ts';
import type { StackFile } from './stack-file.ts';

const termGraceMs = 2_000;
const pollMs = 50;

/** @returns the names of what was ended */
export async function endLeftovers(left: StackFile): Promise<string[]> {
  const running = left.processes.filter(isRunning);
  for (const { pid } of running) {
    signal(pid, 'SIGTERM');
  }
  for (let waitedMs = 0; waitedMs < termGraceMs && running.some(isRunning); waitedMs += pollMs) {
    await sleep(pollMs);
  }
  for (const process of running.filter(isRunning)) {
    signal(process.pid, 'SIGKILL');
  }
  while (running.some(isRunning)) {
    await sleep(pollMs);
  }
  return running.map(({ name }) => name);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}
