/** What came over the wire, checked. */
import type { z } from 'zod';
import { EcError } from '../errors.ts';

const problemsMax = 5;

export function parseRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues
      .slice(0, problemsMax)
      .map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': '));
    throw new EcError('INVALID', { problem: problems.join('; ').slice(0, 1_000) });
  }
  return parsed.data;
}
