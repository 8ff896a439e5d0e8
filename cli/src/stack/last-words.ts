/** Why a service ended, as its log tells. */
import { readFile } from 'node:fs/promises';

const linesLookedAt = 50;

/** The newest error in a log of JSON lines, else its last line; undefined where there is none. */
export async function lastWords(logFile: string): Promise<string | undefined> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  const lines = text.trim().split('\n').slice(-linesLookedAt).reverse();
  const told = lines.map(errorOf).find((error) => error !== undefined);
  return told ?? (lines[0] || undefined);
}

function errorOf(line: string): string | undefined {
  try {
    const { level, message, err } = JSON.parse(line) as { level?: string; message?: string; err?: { message?: string } };
    return level === 'error' ? [message, err?.message].filter((part) => part !== undefined).join(': ') : undefined;
  } catch {
    return undefined;
  }
}
