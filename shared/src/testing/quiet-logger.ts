/** A logger for tests that provoke what is logged. */
import { createLogger, type Logger } from '../logger.ts';

/** Silent, unless COUCHESTOR_TEST_LOG names a level. */
export function quietLogger(): Logger {
  const logger = createLogger({ name: 'test', level: 'error', json: true });
  logger.level = process.env['COUCHESTOR_TEST_LOG'] ?? 'silent';
  return logger;
}
