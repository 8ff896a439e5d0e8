/** Looking at something that may be away, and never for longer than its deadline. */
import { describeError } from '@couchestor/shared/errors';
import type { Looked } from '../facts.ts';

export function absent(why: string): { readonly kind: 'absent'; readonly why: string } {
  return { kind: 'absent', why };
}

/** @param look is given a signal that is aborted at the deadline; whether it heeds it or not, it is not waited for any longer */
export async function lookWithin<T>(timeoutMs: number, look: (signal: AbortSignal) => Promise<T>): Promise<Looked<T>> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${timeoutMs} ms`);
      reject(error);
      late.abort(error);
    }, timeoutMs);
  });
  try {
    return { kind: 'seen', value: await Promise.race([look(late.signal), deadline]) };
  } catch (error) {
    return { kind: 'failed', why: describeError(error) };
  } finally {
    clearTimeout(timer);
  }
}
