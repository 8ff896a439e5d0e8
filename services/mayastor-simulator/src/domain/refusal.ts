/** Mayastor's refusals: a kind, which fixes the HTTP status, and the words of its error bodies. */

export const statusOfKind = {
  Deserialize: 400,
  InvalidArgument: 400,
  Unauthorized: 401,
  NotFound: 404,
  NotAcceptable: 406,
  Timeout: 408,
  Conflict: 409,
  Deleting: 409,
  InUse: 409,
  FailedPrecondition: 412,
  NotPublished: 412,
  AlreadyPublished: 412,
  OutOfRange: 416,
  AlreadyExists: 422,
  Internal: 500,
  Unimplemented: 501,
  Aborted: 503,
  Unavailable: 503,
  DeadlineExceeded: 504,
  ResourceExhausted: 507,
} as const satisfies Record<string, number>;

export type ErrorKind = keyof typeof statusOfKind;

export interface ErrorBody {
  readonly details: string;
  readonly message: string;
  readonly kind: ErrorKind;
}

/** Thrown inside the model and turned into an answer by `handle`; nothing has changed when it is thrown. */
export class Refusal extends Error {
  readonly body: ErrorBody;

  constructor(kind: ErrorKind, name: string, details: string) {
    super(details);
    this.name = 'Refusal';
    this.body = { details, message: `SvcError :: ${name}`, kind };
  }
}

export function notFound(what: string, id: string): Refusal {
  return new Refusal('NotFound', `${what}NotFound`, `${what} '${id}' not found`);
}

/** The kind that Mayastor gives with a status: for injected answers. */
export function kindOfStatus(status: number): ErrorKind {
  const preferred: Readonly<Record<number, ErrorKind>> = {
    400: 'InvalidArgument',
    409: 'Conflict',
    412: 'FailedPrecondition',
    503: 'Unavailable',
  };
  const found = Object.entries(statusOfKind).find(([, code]) => code === status);
  return preferred[status] ?? (found?.[0] as ErrorKind | undefined) ?? 'Internal';
}
