/** What Prometheus has of Mayastor's exporter. */
import { request } from 'undici';
import { z } from 'zod';
import type { PrometheusFacts } from '../facts.ts';

const answerSchema = z.looseObject({
  status: z.literal('success'),
  data: z.looseObject({
    resultType: z.literal('vector'),
    result: z.array(z.looseObject({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});
type Series = z.infer<typeof answerSchema>['data']['result'];

const measuredQuery = 'count(count by (pv_name) (volume_num_read_ops))';
/** Pools are always exposed, volumes only while they are published; and what is down exposes nothing now. */
const targetsQuery =
  'up and on (job) group by (job) (last_over_time(volume_num_read_ops[1h]) or last_over_time(diskpool_total_size_bytes[1h]))';

export async function lookAtPrometheus(url: string, signal: AbortSignal): Promise<PrometheusFacts> {
  const [measured, targets] = await Promise.all([query(url, measuredQuery, signal), query(url, targetsQuery, signal)]);
  return {
    volumesMeasured: Number(measured[0]?.value[1] ?? 0),
    targets: targets.map(({ metric, value }) => ({ instance: metric['instance'] ?? metric['job'] ?? 'unnamed', up: value[1] === '1' })),
  };
}

/** @param url may hold a path before `/api/v1`, and user and password */
async function query(url: string, promql: string, signal: AbortSignal): Promise<Series> {
  const { origin, pathname, username, password } = new URL(url);
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const { statusCode, body } = await request(`${origin}${pathname.replace(/\/+$/, '')}/api/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...(username === '' ? {} : { authorization: `Basic ${login}` }) },
    body: new URLSearchParams({ query: promql }).toString(),
    signal,
  });
  const text = await body.text();
  if (statusCode !== 200) {
    throw new Error(`HTTP ${statusCode}: ${text.slice(0, 200).replaceAll(/\s+/g, ' ')}`);
  }
  const checked = answerSchema.safeParse(jsonOf(text));
  if (!checked.success) {
    throw new Error('the answer is not one of Prometheus');
  }
  return checked.data.data.result;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
