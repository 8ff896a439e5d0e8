/**
 * Errors with a code, facts and a verdict on retrying.
 *
 * One table per domain is the manual of what can go wrong there: `help` says what happened and what cures it, in words for an operator.
 */

export interface ErrorEntry {
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** What happened and what to do about it. Shown to people; whole sentences. */
  readonly help: string;
}

/** Values that identify the thing at fault: ids, names, numbers with units. Never secrets, never whole payloads. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** Any error made by `defineErrors`, whatever its table. */
export class CodedError extends Error {
  readonly code: string;
  readonly retry: boolean;
  readonly help: string;
  readonly facts: ErrorFacts;

  constructor(input: { code: string; entry: ErrorEntry; facts: ErrorFacts; cause?: unknown }) {
    super(`${input.code}: ${input.entry.help}${describeFacts(input.facts)}`, { cause: input.cause });
    this.name = 'CodedError';
    this.code = input.code;
    this.retry = input.entry.retry;
    this.help = input.entry.help;
    this.facts = input.facts;
  }
}

export interface ErrorConstructorOf<Code extends string> {
  new (code: Code, facts?: ErrorFacts, options?: { cause?: unknown }): CodedError;
  readonly domain: string;
  readonly table: Readonly<Record<Code, ErrorEntry>>;
  /** True where `error` came from this table, and, when given, has this code. */
  is(error: unknown, code?: Code): error is CodedError;
}

/** Makes the error class of one domain. Codes come out as `DOMAIN_CODE`, for example `MIG_SYNC_TIMEOUT`. */
export function defineErrors<const Code extends string>(
  domain: string,
  table: Readonly<Record<Code, ErrorEntry>>,
): ErrorConstructorOf<Code> {
  return class extends CodedError {
    static readonly domain = domain;
    static readonly table = table;

    constructor(code: Code, facts: ErrorFacts = {}, options: { cause?: unknown } = {}) {
      super({ code: `${domain}_${code}`, entry: table[code], facts, cause: options.cause });
      this.name = `${domain}Error`;
    }

    static is(error: unknown, code?: Code): error is CodedError {
      return (
        error instanceof CodedError && error.code.startsWith(`${domain}_`) && (code === undefined || error.code === `${domain}_${code}`)
      );
    }
  };
}

/** The message of anything thrown, with the chain of its causes, on one line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current: unknown = error, depth = 0; current !== undefined && depth < 5; depth += 1) {
    parts.push(current instanceof Error ? current.message : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': caused by ').replaceAll(/\s+/g, ' ');
}

function describeFacts(facts: ErrorFacts): string {
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined);
  return shown.length === 0 ? '' : ` (${shown.map(([name, value]) => `${name}=${value}`).join(', ')})`;
}
