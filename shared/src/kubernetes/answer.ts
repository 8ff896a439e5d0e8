/** From what the API server sent to a value or a coded error. Pure. */
import { z } from 'zod';
import { type CodedError, describeError, type ErrorFacts } from '../errors.ts';
import { KubeError } from './errors.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Without a query: continue tokens and the like are noise in a message. */
  readonly path: string;
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** What the API server says where it does not give the object. */
export const statusSchema = z.looseObject({
  kind: z.literal('Status'),
  code: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z.looseObject({ name: z.string().optional() }).nullish(),
});

// Longer waits are the caller's to decide; a proxy that asks for an hour must not stop us for one.
const retryAfterMsMax = 60_000;
const shownCharsMax = 300;

/** The parsed JSON of a 2xx answer. Throws KubeError for anything else. */
export function readJson(call: Call, answer: Answer): unknown {
  if (answer.status < 200 || answer.status > 299) {
    throw refusalOf(call, answer);
  }
  return parseJson(call, answer.body);
}

/** Without a word of the text in the error: it may be anything, a Secret's object too. */
export function parseJson(call: Call, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubeError('INVALID_ANSWER', { ...callFacts(call), problem: 'not JSON', chars: text.length });
  }
}

/** Throws INVALID_ANSWER, naming the field, where `value` has not the shape. */
export function checkShape<T>(call: Call, schema: z.ZodType<T>, value: unknown): T {
  const checked = schema.safeParse(value);
  if (!checked.success) {
    throw new KubeError('INVALID_ANSWER', { ...callFacts(call), problem: describeIssues(checked.error) });
  }
  return checked.data;
}

/** `spec.capacity: Invalid input`, at most three of them. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || '(the whole object)'}: ${issue.message}`);
  return shorten(`${shown.join('; ')}${error.issues.length > 3 ? `; and ${error.issues.length - 3} more` : ''}`);
}

/** The error that stands for an answer outside 2xx. */
export function refusalOf(call: Call, answer: Answer): CodedError {
  const status = statusSchema.safeParse(jsonOrUndefined(answer.body)).data;
  const retryAfterMs = readRetryAfter(answer.retryAfter);
  const named = status?.details?.name;
  return errorOfStatus(call, { code: answer.status, reason: status?.reason, message: status?.message, named, retryAfterMs });
}

/** The error for a status code and reason, be they an answer's or an ERROR event's within a watch. */
export function errorOfStatus(
  call: Call,
  status: {
    code: number;
    reason?: string | undefined;
    message?: string | undefined;
    /** The object that the answer is about. */
    named?: string | undefined;
    retryAfterMs?: number | undefined;
  },
): CodedError {
  const { code, reason } = status;
  const facts: ErrorFacts = {
    ...callFacts(call),
    status: code,
    reason,
    message: status.message === undefined ? undefined : shorten(status.message),
    // Of a kind that it does not know, the API server says NotFound too, but names no object.
    object: code === 404 ? status.named : undefined,
    retryAfterMs: status.retryAfterMs,
  };
  if (code === 409) {
    return new KubeError(reason === 'AlreadyExists' ? 'ALREADY_EXISTS' : 'CONFLICT', facts);
  }
  if (code >= 500) {
    return new KubeError('SERVER_ERROR', facts);
  }
  const known = { 401: 'UNAUTHORIZED', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 408: 'TIMED_OUT', 410: 'GONE', 429: 'THROTTLED' } as const;
  const named = known[code as keyof typeof known];
  if (named !== undefined) {
    return new KubeError(named, facts);
  }
  return new KubeError(code >= 400 ? 'INVALID' : 'INVALID_ANSWER', facts);
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
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);
const deadlineCodes = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** The error that stands for a call without a complete answer. */
export function transportError(call: Call, error: unknown): CodedError {
  if (KubeError.is(error)) {
    return error;
  }
  const facts = { ...callFacts(call), problem: shorten(describeError(error)) };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if ((error instanceof Error && error.name === 'TimeoutError') || deadlineCodes.has(code)) {
    return new KubeError('TIMED_OUT', facts);
  }
  return new KubeError('UNREACHABLE', { ...facts, sent: !neverSentCodes.has(code) }, { cause: error });
}

/** True for a 404 that the API server itself gave for an object, and not for a kind that it does not know. */
export function isMissingObject(error: unknown): boolean {
  return KubeError.is(error, 'NOT_FOUND') && error.facts['object'] !== undefined;
}

export function callFacts(call: Call): { method: string; path: string } {
  return { method: call.method, path: call.path };
}

function readRetryAfter(header: string | undefined): number | undefined {
  const seconds = header === undefined ? Number.NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(retryAfterMsMax, seconds * 1_000) : undefined;
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function shorten(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > shownCharsMax ? `${line.slice(0, shownCharsMax)}...` : line;
}
