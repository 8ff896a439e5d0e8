/** The queries of the Grafana dashboard, and what a Prometheus answers to them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { root } from './manifests.ts';

export const dashboardFile = join(root, 'deploy/monitoring/dashboard.json');

const panelsSchema = z.looseObject({
  panels: z.array(z.looseObject({ targets: z.array(z.looseObject({ expr: z.string() })).optional() })),
});
const answerSchema = z.looseObject({
  data: z.looseObject({ result: z.array(z.looseObject({ values: z.array(z.tuple([z.number(), z.string()])) })) }),
});

/** One point for each second is enough: services are scraped as often. */
const stepSeconds = 1;

export function dashboardQueries(): string[] {
  const { panels } = panelsSchema.parse(JSON.parse(readFileSync(dashboardFile, 'utf8')));
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** What Grafana puts in their place. */
export function withoutVariables(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m');
}

/** The queries for which there is no number at any time since `sinceMs`: what Grafana would show as "No data". */
export async function queriesWithoutData(prometheusUrl: string, sinceMs: number): Promise<string[]> {
  const empty: string[] = [];
  for (const expr of dashboardQueries()) {
    const range = { start: String(sinceMs / 1_000), end: String(Date.now() / 1_000), step: String(stepSeconds) };
    const body = new URLSearchParams({ query: withoutVariables(expr), ...range });
    const answer = await fetch(`${prometheusUrl}/api/v1/query_range`, { method: 'POST', body });
    if (!answer.ok) {
      throw new Error(`${expr}: ${answer.status} ${await answer.text()}`);
    }
    const { data } = answerSchema.parse(await answer.json());
    if (!data.result.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))))) {
      empty.push(expr);
    }
  }
  return empty;
}
