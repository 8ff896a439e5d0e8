/** Errors on the thread of a drive, as they are told to the drive: an error object loses its class on the way. */
import type { DriveCode } from './drive-messages.ts';

export class ThreadError extends Error {
  readonly code: DriveCode;
  readonly errno: string | undefined;

  constructor(code: DriveCode, message: string, errno?: string) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

/** Every other errno is IO. */
const codes: Readonly<Record<string, DriveCode>> = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EFBIG: 'NO_SPACE',
  EROFS: 'READ_ONLY',
  EACCES: 'READ_ONLY',
  EPERM: 'READ_ONLY',
  ENOENT: 'GONE',
  ENOTDIR: 'GONE',
  ENODEV: 'GONE',
  ENXIO: 'GONE',
  ESTALE: 'GONE',
  ENOTCONN: 'GONE',
};

export function threadErrorOf(error: unknown): ThreadError {
  if (error instanceof ThreadError) {
    return error;
  }
  const errno = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return new ThreadError(codes[errno ?? ''] ?? 'IO', error instanceof Error ? error.message : String(error), errno);
}
