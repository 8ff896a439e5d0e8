/** Requests to the model, and the faults that may befall them. */
import { z } from 'zod';

export interface ModelRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With the prefix: `/v0/volumes/...`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Parsed JSON. Undefined: no body. */
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  /** Undefined: an empty body. */
  readonly body: unknown;
  /** How long the call takes until this answer. */
  readonly delayMs: number;
}

/** A call whose effect comes later than its sender expects. */
export interface LateCall {
  readonly ticket: number;
  readonly atMs: number;
  readonly request: ModelRequest;
  /** True where the sender waits for the true answer, false where it has been told something else already. */
  readonly awaited: boolean;
}

export const faultSchema = z
  .strictObject({
    match: z.strictObject({
      method: z.enum(['GET', 'PUT', 'POST', 'DELETE', '*']).default('*'),
      pathPattern: z.string().startsWith('/v0/', 'must start with /v0/; * stands for one segment, ** for the rest'),
    }),
    after: z.int().min(0).default(0).describe('Matching calls that pass before the first is hit.'),
    times: z.int().min(1).default(1).describe('Calls that are hit before the fault is used up.'),
    probability: z.number().min(0).max(1).default(1),
    answer: z
      .union([z.int().min(200).max(599), z.literal('timeout')])
      .optional()
      .describe('Told at once instead of the truth. timeout: never answered.'),
    body: z.string().optional().describe('Raw body of the answer, for example HTML.'),
    applied: z
      .union([z.boolean(), z.literal('half')])
      .optional()
      .describe(
        'Whether the call has its effect. half: a growth leaves its replica behind, unattached. Default: only where no answer is given.',
      ),
    delayMs: z.int().min(0).default(0).describe('How much later the call arrives and has its effect.'),
    stale: z.boolean().default(false).describe('GETs show the state as it was when the fault was set.'),
  })
  .superRefine((fault, context) => {
    if (fault.answer === undefined && fault.delayMs === 0 && !fault.stale) {
      context.addIssue({ code: 'custom', path: ['answer'], message: 'the fault does nothing: give it answer, delayMs or stale' });
    }
    if (fault.answer === undefined && (fault.applied === false || fault.body !== undefined)) {
      context.addIssue({ code: 'custom', path: ['answer'], message: 'is needed with applied: false and with body' });
    }
    if (fault.stale && fault.match.method !== 'GET') {
      context.addIssue({ code: 'custom', path: ['match', 'method'], message: 'must be GET for a stale answer' });
    }
  });

export type Fault = z.infer<typeof faultSchema>;
export type FaultInput = z.input<typeof faultSchema>;
