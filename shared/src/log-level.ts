export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * The level of a log filter as tracing tools write it: `couchestor=debug` and `info,hyper=warn` give their first level word. Text without any
 * is returned as it is, for the option's own check to refuse.
 */
export function levelOfFilter(text: string): string {
  const words = text.toLowerCase().split(/[\s,=]+/);
  return words.find((word) => (logLevels as readonly string[]).includes(word)) ?? text;
}
