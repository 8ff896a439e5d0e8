/** What a command is, and how it reads its options. */
import { type OptionTable, type OptionValues, readOptions, renderOptions, wantsHelp } from '@couchestor/shared/options';
import { exitCodes, usageError } from './errors.ts';
import type { Output } from './terminal/output.ts';

export interface Invocation {
  /** What follows the command's name. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
}

export interface Command {
  /** @returns the exit code */
  run(invocation: Invocation): Promise<number>;
}

export interface Manual<T extends OptionTable> {
  /** `couchestor volumes [options]`, one line for each form. */
  readonly usage: readonly string[];
  readonly summary: string;
  readonly options: T;
  /** Words that may follow the command; more are an error. */
  readonly positionalsMax: number;
}

/** Makes a command of its manual and of what it does: answers `--help`, reads the options, refuses words that nothing takes. */
export function defineCommand<const T extends OptionTable>(
  manual: Manual<T>,
  act: (o: { values: OptionValues<T>; positionals: readonly string[]; invocation: Invocation }) => Promise<number>,
): Command {
  return {
    async run(invocation) {
      if (wantsHelp(invocation.argv)) {
        invocation.output.print(renderManual(manual));
        return exitCodes.ok;
      }
      const { values, positionals } = readOptions(manual.options, { argv: invocation.argv, env: invocation.env });
      const tooMuch = positionals[manual.positionalsMax];
      if (tooMuch !== undefined) {
        throw usageError(`"${tooMuch}" is not expected here\n${usageLines(manual)}`);
      }
      return act({ values, positionals, invocation });
    },
  };
}

function renderManual(manual: Manual<OptionTable>): string {
  return [manual.summary, '', usageLines(manual), '', 'OPTIONS:', renderOptions(manual.options)].join('\n');
}

function usageLines(manual: Manual<OptionTable>): string {
  return ['USAGE:', ...manual.usage.map((line) => `  ${line}`)].join('\n');
}
