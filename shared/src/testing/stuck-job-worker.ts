/** A worker process that takes a job and never ends it, for tests that kill it. Arguments: Redis URL, queue. Prints `working` once it has it. */
import { z } from 'zod';
import { startJobWorker } from '../jobs.ts';
import { quietLogger } from './quiet-logger.ts';

const [redisUrl = '', queue = ''] = process.argv.slice(2);

await startJobWorker({
  queue,
  redisUrl,
  schema: z.unknown(),
  concurrency: 1,
  logger: quietLogger(),
  handle: () => {
    process.stdout.write('working\n');
    return new Promise(() => undefined);
  },
});
