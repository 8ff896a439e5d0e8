/** Logs a lasting condition once when it begins or changes its kind, and once when it is over: an outage of a night is two lines. */
import { CodedError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';

export class ConditionLog {
  readonly #logger: Logger;
  readonly #kinds = new Map<string, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param what the thing that has the condition, as in "Mayastor's volume list" */
  failing(what: string, err: unknown): void {
    this.#begin(what, kindOfProblem(err), { err });
  }

  remark(what: string, text: string): void {
    this.#begin(what, text, {});
  }

  over(what: string): void {
    if (this.#kinds.delete(what)) {
      this.#logger.info(`${what}: all well again`);
    }
  }

  #begin(what: string, kind: string, facts: { err?: unknown }): void {
    if (this.#kinds.get(what) !== kind) {
      this.#kinds.set(what, kind);
      this.#logger.warn(facts, 'err' in facts ? `${what}: not usable until further notice` : `${what}: ${kind}`);
    }
  }
}

/** A word for metrics and comparisons: the code of a coded error in kebab-case, as in `prom-timeout`. */
export function kindOfProblem(error: unknown): string {
  return error instanceof CodedError ? error.code.toLowerCase().replaceAll('_', '-') : 'unexpected';
}
