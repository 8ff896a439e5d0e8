/** The dashboard and the alerts: they parse, they lead somewhere, and between them use every metric that there is. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { provisionServer } from '@couchestor/shared/servers/provision';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { anchorOf } from '../../scripts/docs/markdown.ts';
import { metricsPage } from '../../scripts/docs/metrics.ts';
import { dashboardFile, dashboardQueries, withoutVariables } from './dashboard.ts';
import { root } from './manifests.ts';

const rulesSchema = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z.string(),
        rules: z.array(
          z.strictObject({
            alert: z.string().regex(/^Couchestor[A-Z]\w+$/),
            expr: z.string(),
            for: z
              .string()
              .regex(/^\d+[smh]$/)
              .optional(),
            labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
            annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
          }),
        ),
      }),
    )
    .min(1),
});

const gridPosSchema = z.strictObject({
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  w: z.int().min(1).max(24),
  h: z.int().min(1),
});

const datasourceSchema = z.strictObject({ type: z.literal('prometheus'), uid: z.string() });

/** Of Grafana's dashboard schema what this one uses; anything else would be a slip. */
const dashboardSchema = z.looseObject({
  uid: z.string().max(40),
  title: z.string(),
  schemaVersion: z.int().min(36),
  templating: z.object({ list: z.array(z.looseObject({ name: z.string(), type: z.literal('datasource') })) }),
  panels: z.array(
    z.discriminatedUnion('type', [
      z.strictObject({
        id: z.int(),
        type: z.literal('row'),
        title: z.string(),
        collapsed: z.boolean(),
        panels: z.array(z.never()),
        gridPos: gridPosSchema,
      }),
      panelSchema('timeseries'),
      panelSchema('stat'),
    ]),
  ),
});

function panelSchema<T extends 'timeseries' | 'stat'>(type: T) {
  return z.strictObject({
    id: z.int(),
    type: z.literal(type),
    title: z.string(),
    description: z.string().optional(),
    gridPos: gridPosSchema,
    datasource: datasourceSchema,
    fieldConfig: z.strictObject({ defaults: z.looseObject({ unit: z.string() }), overrides: z.array(z.never()) }),
    options: z.looseObject({}),
    targets: z
      .array(
        z.strictObject({
          refId: z.string().regex(/^[A-Z]$/),
          datasource: datasourceSchema,
          expr: z.string(),
          legendFormat: z.string().optional(),
        }),
      )
      .min(1),
  });
}

const alertsFile = join(root, 'deploy/monitoring/alerts.yaml');
const { groups } = rulesSchema.parse(parse(readFileSync(alertsFile, 'utf8')));
const alerts = groups.flatMap(({ rules }) => rules);
const dashboard = dashboardSchema.parse(JSON.parse(readFileSync(dashboardFile, 'utf8')));
const queries = dashboardQueries();
/** What the generated page of all metrics lists; a test of its own keeps that page in step with the code. */
const exported = [...metricsPage().matchAll(/^\| `(couchestor_\w+)`/gm)].map(([, name]) => name ?? '');

describe('metrics', () => {
  it('are many', () => expect(exported.length).toBeGreaterThan(25));

  it.each(exported)('%s is on the dashboard or in an alert', (name) => {
    const used = new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`);
    expect([...queries, ...alerts.map(({ expr }) => expr)].some((expr) => used.test(expr))).toBe(true);
  });

  it('that the dashboard and the alerts name exist', () => {
    const named = [...queries, ...alerts.map(({ expr }) => expr)].flatMap((expr) => expr.match(/\bcouchestor_\w+/g) ?? []);
    expect(named.filter((name) => !exported.includes(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([]);
  });
});

describe('alerts', () => {
  it.each(alerts.map(({ alert, annotations }) => [alert, annotations.runbook_url]))('%s leads to %s', (_alert, url) => {
    const [path = '', anchor = ''] = url.split('#');
    expect(existsSync(join(root, path))).toBe(true);
    const headings = [...readFileSync(join(root, path), 'utf8').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
      anchorOf((heading ?? '').trim()),
    );
    expect(headings).toContain(anchor);
  });

  it('have names of their own', () => expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length));

  it('are what Prometheus takes, and so is every query of the dashboard', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'couchestor-rules-'));
    try {
      const panels = join(folder, 'panels.yaml');
      const rules = queries.map((expr, index) => ({ record: `panel:query:${index}`, expr: withoutVariables(expr) }));
      await writeFile(panels, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
      const { stdout } = await promtool(['check', 'rules', alertsFile, panels]);
      expect(stdout).toContain(`SUCCESS: ${alerts.length} rules found`);
      expect(stdout).toContain(`SUCCESS: ${queries.length} rules found`);
      await expect(promtool(['check', 'rules', await broken(folder)])).rejects.toThrow(/parse error/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('the dashboard', () => {
  it('has panels with ids of their own that do not lie on one another', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const [index, { gridPos: a }] of dashboard.panels.entries()) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const { gridPos: b } of dashboard.panels.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(apart, `${JSON.stringify(a)} ${JSON.stringify(b)}`).toBe(true);
      }
    }
  });

  it('asks the data source that is chosen in it', () => {
    const chosen = dashboard.templating.list.map(({ name }) => `\${${name}}`);
    const asked = dashboard.panels.flatMap((panel) =>
      panel.type === 'row' ? [] : [panel.datasource, ...panel.targets.map(({ datasource }) => datasource)],
    );
    expect(asked.filter(({ uid }) => !chosen.includes(uid))).toEqual([]);
  });
});

async function promtool(args: readonly string[]): Promise<{ stdout: string }> {
  const prometheus = await provisionServer('prometheus', { install: true, log: (line) => process.stderr.write(`${line}\n`) });
  const program = join(dirname(prometheus.path), 'promtool');
  return await promisify(execFile)(program, args, { env: { ...process.env, ...prometheus.env } });
}

async function broken(folder: string): Promise<string> {
  const path = join(folder, 'broken.yaml');
  await writeFile(path, JSON.stringify({ groups: [{ name: 'broken', rules: [{ record: 'broken', expr: 'sum by (' }] }] }));
  return path;
}
