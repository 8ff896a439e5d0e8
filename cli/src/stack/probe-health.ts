/** Asks a service's readiness endpoint. */
import { z } from 'zod';

const readinessSchema = z.object({ ready: z.boolean(), checks: z.record(z.string(), z.string()) });
const probeTimeoutMs = 2_500;

/** Undefined where nothing answers there, or nothing that a service of ours would say. */
export async function probeHealth(healthUrl: string): Promise<z.infer<typeof readinessSchema> | undefined> {
  try {
    const answer = await fetch(new URL('/readyz', healthUrl), { signal: AbortSignal.timeout(probeTimeoutMs) });
    return readinessSchema.safeParse(await answer.json()).data;
  } catch {
    return undefined;
  }
}
