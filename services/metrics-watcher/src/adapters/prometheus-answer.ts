/** From what came over the wire to the series of an instant vector, or a coded error. Pure. */
import type { CodedError, ErrorFacts } from '@couchestor/shared/errors';
import { z } from 'zod';
import type { Series } from '../domain/vector.ts';
import { PrometheusError } from '../errors.ts';

export interface QueryAnswer {
  readonly series: readonly Series[];
  /** The answer may lack data. */
  readonly warnings: readonly string[];
  /** Remarks on the query's style; the data is whole. */
  readonly infos: readonly string[];
}

const statusSchema = z.looseObject({ status: z.enum(['success', 'error']) });
const errorSchema = z.looseObject({ errorType: z.string().default('unknown'), error: z.string().default('') });
const texts = z.array(z.string()).nullish();
const vectorSchema = z.looseObject({
  data: z.looseObject({
    resultType: z.literal('vector'),
    result: z.array(z.looseObject({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
  warnings: texts,
  infos: texts,
});

// Before 2.54 remarks such as "metric might not be a counter", which Mayastor's series earn, came among the warnings.
const infoPrefix = 'PromQL info:';

/** @param asked.toleranceMs how far the answer's own time may be from the one asked for */
export function readQueryAnswer(answer: { status: number; body: string }, asked: { atMs: number; toleranceMs: number }): QueryAnswer {
  const json = parseJson(answer.body);
  const status = statusSchema.safeParse(json);
  if (!status.success) {
    throw errorOfForeignAnswer(answer, json !== undefined);
  }
  if (status.data.status === 'error' || answer.status < 200 || answer.status > 299) {
    throw errorOfPrometheus(answer.status, errorSchema.parse(json));
  }
  const vector = vectorSchema.safeParse(json);
  if (!vector.success) {
    const issue = vector.error.issues[0];
    throw new PrometheusError('INVALID_ANSWER', { status: answer.status, field: issue?.path.join('.'), problem: issue?.message });
  }
  const { data, warnings, infos } = vector.data;
  for (const { value } of data.result) {
    const answeredMs = value[0] * 1_000;
    if (Math.abs(answeredMs - asked.atMs) > asked.toleranceMs) {
      throw new PrometheusError('STALE', { offByMs: Math.round(answeredMs - asked.atMs) });
    }
  }
  const remarks = warnings ?? [];
  return {
    series: data.result.map(({ metric, value }) => ({ labels: metric, value: value[1] })),
    warnings: remarks.filter((text) => !text.startsWith(infoPrefix)),
    infos: [...(infos ?? []), ...remarks.filter((text) => text.startsWith(infoPrefix))],
  };
}

function errorOfPrometheus(status: number, { errorType, error }: { errorType: string; error: string }): CodedError {
  const facts: ErrorFacts = { status, errorType, error: beginning(error) };
  switch (errorType) {
    case 'bad_data':
      return new PrometheusError('QUERY_INVALID', facts);
    case 'timeout':
      return new PrometheusError('TIMEOUT', facts);
    case 'canceled':
    case 'unavailable':
    case 'internal':
      return new PrometheusError('UNAVAILABLE', facts);
    default:
      return new PrometheusError(status >= 500 ? 'UNAVAILABLE' : 'QUERY_FAILED', facts);
  }
}

/** Not an answer of Prometheus' API: a proxy, a login page, another server, or a broken connection. */
function errorOfForeignAnswer({ status, body }: { status: number; body: string }, isJson: boolean): CodedError {
  const facts: ErrorFacts = { status, begins: beginning(body) };
  if (status === 429 || status >= 500) {
    return new PrometheusError('UNAVAILABLE', facts);
  }
  if (status >= 400) {
    return new PrometheusError('REFUSED', facts);
  }
  return new PrometheusError('INVALID_ANSWER', { ...facts, problem: isJson ? 'not the JSON of a query' : 'not JSON' });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function beginning(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 160 ? `${line.slice(0, 160)}...` : line;
}
