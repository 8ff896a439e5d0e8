/** What the simulator's workload has verified so far, asked again and again. The simulator may be away for a while: then nothing new is told. */
import { sleep } from '@couchestor/shared/time';
import { readFigures } from './simulator-admin.ts';

const pollMs = 1_000;
const timeoutMs = 2_000;

export function watchVerification(o: { adminUrl: string; onVerification: (found: { bytesVerified: number; corrupt: number }) => void }): {
  stop(): Promise<void>;
} {
  const ended = new AbortController();
  const polling = (async () => {
    while (!ended.signal.aborted) {
      const figures = await readFigures({ adminUrl: o.adminUrl, timeoutMs }).catch(() => undefined);
      if (figures !== undefined) {
        o.onVerification({ bytesVerified: figures.bytesRead, corrupt: figures.corruptReads });
      }
      await sleep(pollMs, ended.signal).catch(() => undefined);
    }
  })();
  return {
    stop: async () => {
      ended.abort();
      await polling;
    },
  };
}
