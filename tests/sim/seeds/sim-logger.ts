/** A logger whose lines go into the trace of a world, or nowhere. */
import type { Logger } from '@couchestor/shared/logger';
import type { Findings } from './findings.ts';

type Line = (facts: unknown, words?: string) => void;

export function simLogger(findings: Findings, who: string): Logger {
  const line: Line = (facts, words) => findings.say(who, words === undefined ? String(facts) : `${words} ${textOf(facts)}`);
  const tell: Line = findings.traced ? line : () => undefined;
  const quiet: Line = () => undefined;
  const logger = { trace: quiet, debug: quiet, info: tell, warn: tell, error: tell, fatal: tell, level: 'info', child: () => logger };
  return logger as unknown as Logger;
}

function textOf(facts: unknown): string {
  return (JSON.stringify(facts, (_key, value: unknown) => (value instanceof Error ? value.message : value)) ?? '').slice(0, 300);
}
