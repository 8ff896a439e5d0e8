/** What is done to a vault in this process, while none serves it: `ec reindex`, `store restore`. */
import type { OfflineCall } from '@couchestor/ec-encoder/offline';
import type { OperationResult } from '@couchestor/shared/contracts/vault';
import { createLogger } from '@couchestor/shared/logger';
import { printJson } from '../client/print-json.ts';
import type { Invocation } from '../command.ts';
import { exitCodes } from '../errors.ts';
import { stopOnSignals } from '../stack/stop-signal.ts';
import { ProgressLine } from './show-progress.ts';

/** Runs it with a progress bar, and ends it at Ctrl-C. */
export async function runOffline(
  o: { invocation: Invocation; json: boolean; kind: 'reindex' | 'restore' },
  run: (call: OfflineCall) => Promise<OperationResult>,
): Promise<number> {
  const { output, env } = o.invocation;
  const logger = createLogger({ name: 'couchestor', level: 'warn', json: false, to: { write: (line) => process.stderr.write(line) } });
  const line = new ProgressLine(output);
  const stop = stopOnSignals({ onFirst: () => output.note('stopping'), onSecond: () => process.exit(exitCodes.failed) });
  try {
    const result = await run({ env, logger, signal: stop.signal, report: (seen) => line.show({ ...seen, kind: o.kind }) });
    line.end();
    if (o.json) {
      printJson(output, result);
    } else {
      output.print(result.message);
    }
    return (result.stripesLost ?? 0) > 0 ? exitCodes.failed : exitCodes.ok;
  } finally {
    line.end();
    stop.detach();
  }
}
