/** Logs: one line each, for people by default and as JSON on request. Neither holds secrets. */
import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino';
import { CodedError, describeError } from './errors.ts';
import type { LogLevel } from './log-level.ts';
import { formatLogLine } from './log-line.ts';
import { redactUrls } from './redact-url.ts';

export type Logger = PinoLogger;

/** Names of fields whose values are never written, at the top of a line and one level below. */
const secretFields = ['password', 'secret', 'token', 'authorization', 'accessKey', 'secretKey', 'credentials', 'cookie'];

/**
 * A logger that writes to standard output, or to `to`. Errors go under `err`, as in `logger.warn({ err, volumeId }, 'the move failed')`; they
 * are written with their code, their facts and the chain of their causes.
 */
export function createLogger(o: { name: string; level: LogLevel; json: boolean; to?: DestinationStream }): Logger {
  // Synchronous, so that the last lines before an exit are not lost.
  const out = o.to ?? destination({ fd: 1, sync: true });
  return pino(
    {
      name: o.name,
      level: o.level,
      base: { name: o.name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      messageKey: 'message',
      errorKey: 'err',
      serializers: { err: describeForLog },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '***' },
    },
    o.json ? { write: (line) => out.write(redactUrls(line)) } : { write: (line) => out.write(redactUrls(formatLogLine(line))) },
  );
}

function describeForLog(error: unknown): unknown {
  if (!(error instanceof Error)) {
    return error;
  }
  const message = describeError(error);
  // A coded error tells what happened; any other one is a surprise, and the place where it arose is the first thing to know.
  return error instanceof CodedError
    ? { code: error.code, message, retry: error.retry, facts: error.facts }
    : { message, stack: error.stack };
}
