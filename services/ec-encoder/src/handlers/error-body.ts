/** Errors as the API answers them: the one place where codes become statuses. */
import type { VaultErrorBody } from '@couchestor/shared/contracts/vault';
import { CodedError, describeError } from '@couchestor/shared/errors';
import { EcError } from '../errors.ts';

/** By the code without its domain, so that the catalog's EXISTS and the vault's are answered alike. */
const statuses: Readonly<Record<string, number>> = {
  INVALID: 400,
  BAD_NAME: 400,
  BAD_SIZE: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  NO_VOLUME: 404,
  NO_SNAPSHOT: 404,
  TOO_LARGE: 413,
  BAD_RANGE: 416,
  BUSY: 429,
  NO_SPACE: 507,
};
/** What is there already, or stands in the way. */
const conflicts = [
  'EXISTS',
  'IN_USE',
  'HAS_SNAPSHOTS',
  'WOULD_SHRINK',
  'TOO_MANY',
  'READ_ONLY',
  'TOO_FEW_DRIVES',
  'WRONG_DRIVE',
  'OTHER_VAULT',
  'NOT_EMPTY',
  'DRIVE_THERE',
  'DRIVE_NEEDED',
  'POLICY_CHANGED',
  'CANCELLED',
];

export function statusOf(error: unknown): number {
  if (!(error instanceof CodedError)) {
    return 500;
  }
  const code = error.code.replace(/^[A-Z0-9]+_/, '');
  if (code.startsWith('NO_SUCH_')) {
    return 404;
  }
  return conflicts.includes(code) ? 409 : (statuses[code] ?? (error.retry ? 503 : 500));
}

export function errorBodyOf(error: unknown): VaultErrorBody {
  if (error instanceof CodedError) {
    const facts = Object.entries(error.facts).filter((fact): fact is [string, string | number | boolean] => fact[1] !== undefined);
    return {
      code: error.code,
      message: describeError(error),
      help: error.help,
      retry: error.retry,
      facts: {
        ...Object.fromEntries(facts),
        ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
      },
    };
  }
  return errorBodyOf(new EcError('UNEXPECTED', {}, { cause: error }));
}
