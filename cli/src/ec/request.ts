/** What every subcommand of `couchestor ec` is given. */
import type { VaultClient } from '@couchestor/shared/vault-client';
import type { Invocation } from '../command.ts';
import { usageError } from '../errors.ts';
import type { VaultValues } from './options.ts';

export interface VaultRequest<V extends VaultValues = VaultValues> {
  readonly values: V;
  readonly client: VaultClient;
  readonly invocation: Invocation;
  /** What follows the subcommand, as many as it takes. */
  readonly words: readonly string[];
}

/** The words that a subcommand takes, all of them and no more. */
export function takeWords(command: string, names: readonly string[], given: readonly string[]): void {
  const form = [`couchestor ${command}`, ...names].join(' ');
  const missing = names[given.length];
  if (missing !== undefined) {
    throw usageError(`${missing} is missing: ${form}`);
  }
  if (given.length > names.length) {
    throw usageError(`"${given[names.length]}" is not expected here: ${form}`);
  }
}

/** `volume@snapshot`. */
export function splitSnapshot(text: string): { volume: string; snapshot: string | undefined } {
  const [volume = '', snapshot] = text.split('@', 2);
  return { volume, snapshot };
}

/** A RangeError of a parser becomes a message about the command line. */
export function typed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? usageError(error.message) : error;
  }
}
