/** What a client is told of a failure of the device. */
import { CodedError } from '@couchestor/shared/errors';
import type { NbdErrorName, OptionError } from './nbd-protocol.ts';

export interface NbdFailure {
  readonly error: NbdErrorName;
  /** For people; shown by those clients that have structured replies. */
  readonly message: string;
  /** Where on the device it went wrong, where known. */
  readonly offsetBytes?: number;
}

/** `isRead`: of what reads, or asks; everything else changes something, for which the protocol has another error beyond the end. */
export function failureOf(error: unknown, isRead: boolean): NbdFailure {
  const message = messageOf(error);
  const offsetBytes = error instanceof CodedError ? error.facts['offsetBytes'] : undefined;
  return { error: nameOf(codeOf(error), isRead), message, ...(typeof offsetBytes === 'number' ? { offsetBytes } : {}) };
}

/** Why an export cannot be opened, in the words of the negotiation. */
export function openRefusalOf(error: unknown): { readonly error: OptionError; readonly message: string } {
  return { error: refusalNameOf(codeOf(error)), message: messageOf(error) };
}

function refusalNameOf(code: unknown): OptionError {
  switch (code) {
    case 'VAULT_STOPPING':
      return 'shutdown';
    case 'VAULT_NO_SUCH_VOLUME':
    case 'CATALOG_NO_VOLUME':
    case 'CATALOG_NO_SNAPSHOT':
      return 'unknown';
    default:
      return 'policy';
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Of what is no error of ours nothing is told: it might name paths and hosts. */
function messageOf(error: unknown): string {
  return error instanceof CodedError ? error.help : 'the storage failed';
}

function nameOf(code: unknown, isRead: boolean): NbdErrorName {
  switch (code) {
    case 'VAULT_NO_SPACE':
      return 'ENOSPC';
    case 'VAULT_READ_ONLY':
      return 'EPERM';
    case 'VAULT_BAD_RANGE':
      return isRead ? 'EINVAL' : 'ENOSPC';
    case 'VAULT_STOPPING':
      return 'ESHUTDOWN';
    default:
      return 'EIO';
  }
}
