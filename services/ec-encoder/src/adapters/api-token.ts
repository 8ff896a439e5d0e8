/** The token of the API, out of its file, which may be exchanged while the process runs. */
import { readFile } from 'node:fs/promises';
import { EcError } from '../errors.ts';

const readAgainMs = 5_000;
const charactersMin = 16;
const charactersMax = 4_096;

/** Reads it once at once, so that a file that cannot be used is told at the start. */
export async function openApiToken(file: string, now: () => number): Promise<() => Promise<string>> {
  let token = await readToken(file);
  let readAtMs = now();
  return async () => {
    if (now() - readAtMs >= readAgainMs) {
      readAtMs = now();
      token = await readToken(file);
    }
    return token;
  };
}

async function readToken(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new EcError('BAD_TOKEN_FILE', { file }, { cause });
  }
  if (text.length < charactersMin || text.length > charactersMax || /\s/.test(text)) {
    throw new EcError('BAD_TOKEN_FILE', { file, characters: text.length });
  }
  return text;
}
