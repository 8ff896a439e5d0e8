/** From what came over the wire to a validated object or a coded error. Pure. */
import type { z } from 'zod';
import { type CodedError, describeError, type ErrorFacts } from '../errors.ts';
import { MayastorError } from './errors.ts';
import { errorBodySchema } from './schema.ts';

export interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The validated body of a 2xx answer. Throws MayastorError for anything else. */
export function readAnswer<T>(call: Call, answer: Answer, schema: z.ZodType<T>): T {
  if (answer.status < 200 || answer.status > 299) {
    throw refusalOf(call, answer);
  }
  const facts = { ...call, status: answer.status };
  const parsed = parseJson(answer.body);
  if (parsed === undefined) {
    throw new MayastorError('INVALID_ANSWER', { ...facts, problem: 'not JSON', begins: beginning(answer.body) });
  }
  const checked = schema.safeParse(parsed.value);
  if (!checked.success) {
    throw new MayastorError('INVALID_ANSWER', { ...facts, ...firstProblem(checked.error) });
  }
  return checked.data;
}

/** The error that stands for an answer outside 2xx. */
function refusalOf(call: Call, answer: Answer): CodedError {
  const { status } = answer;
  const body = errorBodySchema.safeParse(parseJson(answer.body)?.value);
  const facts: ErrorFacts = {
    ...call,
    status,
    kind: body.data?.kind,
    details: body.success ? beginning(body.data.details || body.data.message) : undefined,
  };
  // An unknown route is answered by the web server, without a body; an unknown object by the control plane, with one. A page in between
  // is neither, and must not pass for "this volume is gone".
  if (status === 404) {
    if (body.success) {
      return new MayastorError(body.data.kind === 'NotFound' ? 'NOT_FOUND' : 'REFUSED', facts);
    }
    return answer.body.trim() === ''
      ? new MayastorError('NO_ROUTE', facts)
      : new MayastorError('INVALID_ANSWER', { ...facts, problem: "a 404 without Mayastor's error body", begins: beginning(answer.body) });
  }
  switch (status) {
    case 409:
      return new MayastorError('CONFLICT', facts);
    case 412:
      return new MayastorError('PRECONDITION', facts);
    case 422:
      return new MayastorError('ALREADY_EXISTS', facts);
    case 501:
      return new MayastorError('REFUSED', facts);
    case 507:
      // A failed write to the control plane's store says nothing of what the engines have already done.
      return body.data?.kind === 'FailedPersist' ? noOutcome(call, facts) : new MayastorError('NO_RESOURCES', facts);
    default:
      if (status === 408 || status >= 500) {
        return noOutcome(call, facts);
      }
      return status >= 400
        ? new MayastorError('REFUSED', facts)
        : new MayastorError('INVALID_ANSWER', { ...facts, problem: 'a redirect', begins: beginning(answer.body) });
  }
}

/** The call was sent and no outcome is known: harmless for a read, ambiguous for a change. */
export function noOutcome(call: Call, facts: ErrorFacts, cause?: unknown): CodedError {
  return new MayastorError(call.method === 'GET' ? 'UNREACHABLE' : 'AMBIGUOUS', { ...call, ...facts }, { cause });
}

// Connecting failed, so that not a byte of the call was sent.
const neverSentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The error that stands for a call without a complete answer. */
export function transportError(call: Call, error: unknown): CodedError {
  if (error instanceof Error && 'code' in error && neverSentCodes.has(String(error.code))) {
    return new MayastorError('UNREACHABLE', { ...call, problem: describeError(error) || String(error.code) }, { cause: error });
  }
  return noOutcome(call, { problem: beginning(describeError(error)) }, error);
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function firstProblem(error: z.ZodError): { field: string; problem: string } {
  const issue = error.issues[0];
  return { field: issue?.path.join('.') || '(the whole answer)', problem: issue?.message ?? 'wrong shape' };
}

function beginning(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}
