/** The simulator's admin port, as far as the command uses it. */
import { z } from 'zod';

const figuresSchema = z.looseObject({
  /** Every read of the workload is checked against what was acknowledged. */
  bytesRead: z.number(),
  corruptReads: z.number(),
  /** Time in which some volume had fewer synced replicas than it came with. */
  underReplicatedMs: z.number(),
});
export type Figures = z.infer<typeof figuresSchema>;

const verificationSchema = figuresSchema.extend({
  bytesVerified: z.number(),
  replicasVerified: z.number(),
  corrupt: z.number(),
  faults: z.array(z.string()),
});
export type Verification = z.infer<typeof verificationSchema>;

/** What the workload has done and found so far. */
export function readFigures(o: { adminUrl: string; timeoutMs: number }): Promise<Figures> {
  return ask(o, { method: 'GET', path: '/stats', schema: figuresSchema });
}

/** Compares every block of every synced replica with what was acknowledged. */
export function verifyAllBytes(o: { adminUrl: string; timeoutMs: number }): Promise<Verification> {
  return ask(o, { method: 'POST', path: '/verify', schema: verificationSchema });
}

async function ask<T>(
  o: { adminUrl: string; timeoutMs: number },
  call: { method: string; path: string; schema: z.ZodType<T> },
): Promise<T> {
  const answer = await fetch(new URL(call.path, o.adminUrl), { method: call.method, signal: AbortSignal.timeout(o.timeoutMs) });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`the simulator answered ${call.method} ${call.path} with ${answer.status}: ${text.slice(0, 500)}`);
  }
  return call.schema.parse(JSON.parse(text));
}
