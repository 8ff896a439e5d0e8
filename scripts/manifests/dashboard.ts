/** The Grafana dashboard: every metric that no alert uses is on it, and most of the others. */

type Unit = 'short' | 's' | 'percent' | 'percentunit' | 'ops' | 'bytes' | 'Bps';

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly type?: 'timeseries' | 'stat' | 'table';
  readonly unit?: Unit;
  readonly queries: readonly { readonly expr: string; readonly legend?: string }[];
  readonly stack?: boolean;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Over the range that Grafana knows to hold several scrapes. */
const range = '[$__rate_interval]';

function quantile(q: number, metric: string, by: string): string {
  return `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket${range})))`;
}

const rows: readonly Row[] = [
  {
    title: 'At a glance',
    panels: [
      { title: 'Volumes by tier', type: 'stat', queries: [{ expr: 'max by (tier) (couchestor_volumes)', legend: '{{tier}}' }] },
      { title: 'Unknown volumes', type: 'stat', queries: [{ expr: 'max(couchestor_unknown_volumes)' }] },
      { title: 'Open moves', type: 'stat', queries: [{ expr: 'max(couchestor_active_migrations)' }] },
      { title: 'Dead letters', type: 'stat', queries: [{ expr: 'max(couchestor_dead_letters)' }] },
    ],
  },
  {
    title: 'Moving',
    panels: [
      {
        title: 'Moves that ended',
        queries: [{ expr: 'sum by (status) (increase(couchestor_migrations_total[1h]))', legend: '{{status}} in the last hour' }],
      },
      {
        title: 'Refusals',
        description: 'Nothing was touched. docs/runbook.md has a section for each code.',
        queries: [{ expr: 'sum by (code) (increase(couchestor_migration_refusals_total[1h]))', legend: '{{code}}' }],
      },
      { title: 'Rebuilds under way', unit: 'percent', queries: [{ expr: 'couchestor_rebuild_progress_percent', legend: '{{volume}}' }] },
      {
        title: 'Moves that want to go',
        queries: [
          { expr: 'max(couchestor_migrations_wanted)', legend: 'wait for a slot' },
          { expr: 'max by (accepted) (couchestor_migrations_pending)', legend: 'requested, accepted: {{accepted}}' },
          { expr: 'max(couchestor_migration_queue_depth)', legend: 'jobs without a worker' },
        ],
      },
      { title: 'Age of the oldest open move', unit: 's', queries: [{ expr: 'max(couchestor_oldest_open_migration_seconds)' }] },
      {
        title: 'Time in the gate',
        description: 'Pools or nodes are cordoned meanwhile.',
        unit: 's',
        queries: [
          { expr: `histogram_quantile(0.5, sum by (le) (rate(couchestor_gate_held_seconds_bucket[15m])))`, legend: 'median' },
          { expr: `histogram_quantile(0.99, sum by (le) (rate(couchestor_gate_held_seconds_bucket[15m])))`, legend: '99 of 100' },
        ],
      },
      {
        title: 'Jobs',
        queries: [{ expr: 'sum by (queue, result) (increase(couchestor_jobs_total[1h]))', legend: '{{queue}}: {{result}}' }],
      },
      { title: 'Gates left behind and undone', queries: [{ expr: 'sum(increase(couchestor_gate_leftovers_undone_total[1h]))' }] },
    ],
  },
  {
    title: 'Deciding',
    panels: [
      { title: 'Decisions', stack: true, queries: [{ expr: 'max by (verb, rule) (couchestor_decisions)', legend: '{{verb}} {{rule}}' }] },
      { title: 'Volumes by tier', stack: true, queries: [{ expr: 'max by (tier) (couchestor_volumes)', legend: '{{tier}}' }] },
      {
        title: 'Rounds',
        unit: 'ops',
        queries: [{ expr: `sum by (result) (rate(couchestor_reconcile_total${range}))`, legend: '{{result}}' }],
      },
      {
        title: 'Time of a round',
        unit: 's',
        queries: [{ expr: quantile(0.99, 'couchestor_reconcile_seconds', 'part'), legend: '{{part}}, 99 of 100' }],
      },
      {
        title: 'Conditions of policies',
        queries: [{ expr: 'max by (policy, type) (couchestor_policy_conditions)', legend: '{{policy}} {{type}}' }],
      },
      { title: 'Who leads', queries: [{ expr: 'couchestor_brain_leader', legend: '{{pod}}{{instance}}' }] },
      { title: 'Term of office', queries: [{ expr: 'couchestor_brain_epoch', legend: '{{pod}}{{instance}}' }] },
    ],
  },
  {
    title: 'Measuring',
    panels: [
      {
        title: 'Rounds',
        unit: 'ops',
        queries: [{ expr: `sum by (result) (rate(couchestor_watcher_rounds_total${range}))`, legend: '{{result}}' }],
      },
      {
        title: 'Volumes by what is known of them',
        stack: true,
        queries: [{ expr: 'max by (window, status) (couchestor_watcher_volumes)', legend: '{{window}} s: {{status}}' }],
      },
      {
        title: 'Age of the samples',
        unit: 's',
        queries: [
          { expr: 'max by (window) (couchestor_sample_age_seconds)', legend: 'at the brain, {{window}} s' },
          { expr: 'max by (window) (couchestor_watcher_sample_age_seconds)', legend: 'at the watcher, {{window}} s' },
        ],
      },
      {
        title: 'Time of a query',
        unit: 's',
        queries: [{ expr: quantile(0.99, 'couchestor_watcher_query_seconds', 'quantity'), legend: '{{quantity}}, 99 of 100' }],
      },
      {
        title: 'Answers that could not be used',
        queries: [{ expr: 'sum by (kind) (increase(couchestor_watcher_answer_problems_total[1h]))', legend: '{{kind}}' }],
      },
      {
        title: 'What answers',
        queries: [
          { expr: 'min(couchestor_prometheus_up)', legend: 'Prometheus' },
          { expr: 'min(couchestor_mayastor_up)', legend: 'Mayastor, asked by the watcher' },
          { expr: 'min(couchestor_migrator_mayastor_up)', legend: 'Mayastor, asked by the migrator' },
          { expr: 'min(couchestor_bus_connected)', legend: 'NATS' },
        ],
      },
    ],
  },
  {
    title: 'Erasure coding',
    panels: [
      { title: 'Lost stripes', type: 'stat', queries: [{ expr: 'sum(couchestor_ec_stripes{state="lost"})' }] },
      { title: 'Degraded stripes', type: 'stat', queries: [{ expr: 'sum(couchestor_ec_stripes{state="degraded"})' }] },
      {
        title: 'Drives',
        type: 'stat',
        queries: [{ expr: 'sum by (state) (couchestor_ec_drives)', legend: '{{state}}' }],
      },
      {
        title: 'Phase',
        type: 'stat',
        queries: [{ expr: 'sum by (phase) (couchestor_ec_phase) > 0', legend: '{{phase}}' }],
      },
      {
        title: 'Stripes that are not whole',
        queries: [
          { expr: 'sum by (pod, instance, state) (couchestor_ec_stripes{state!="healthy"})', legend: '{{pod}}{{instance}} {{state}}' },
        ],
      },
      {
        title: 'Stripes written, reads computed',
        unit: 'ops',
        queries: [
          { expr: `sum(rate(couchestor_ec_stripes_total${range}))`, legend: 'stripes' },
          { expr: `sum(rate(couchestor_ec_reconstructions_total${range}))`, legend: 'reads computed from other shards' },
        ],
      },
      { title: 'Rebuild', unit: 'Bps', queries: [{ expr: 'couchestor_ec_rebuild_bytes_per_second', legend: '{{pod}}{{instance}}' }] },
      {
        title: 'Journal',
        description: 'Writers wait while it is full.',
        unit: 'percentunit',
        queries: [{ expr: 'couchestor_ec_journal_fill_ratio', legend: '{{pod}}{{instance}}' }],
      },
      {
        title: 'Age of the oldest write that is in no stripe',
        unit: 's',
        queries: [{ expr: 'couchestor_ec_destage_lag_seconds', legend: '{{pod}}{{instance}}' }],
      },
      { title: 'Space', unit: 'bytes', queries: [{ expr: 'sum by (kind) (couchestor_ec_capacity_bytes)', legend: '{{kind}}' }] },
      {
        title: 'Time of a drive',
        unit: 's',
        queries: [
          { expr: quantile(0.99, 'couchestor_ec_drive_seconds', 'drive, operation'), legend: '{{drive}} {{operation}}, 99 of 100' },
        ],
      },
      {
        title: 'Time of an NBD request',
        unit: 's',
        queries: [{ expr: quantile(0.99, 'couchestor_ec_nbd_seconds', 'command'), legend: '{{command}}, 99 of 100' }],
      },
      {
        title: 'NBD requests',
        unit: 'ops',
        queries: [{ expr: `sum by (command, result) (rate(couchestor_ec_nbd_seconds_count${range}))`, legend: '{{command}}: {{result}}' }],
      },
      {
        title: 'NBD bytes',
        unit: 'Bps',
        queries: [{ expr: `sum by (command) (rate(couchestor_ec_nbd_bytes_total${range}))`, legend: '{{command}}' }],
      },
      {
        title: 'NBD connections',
        queries: [
          { expr: 'sum(couchestor_ec_nbd_connections)', legend: 'open' },
          { expr: 'sum(increase(couchestor_ec_nbd_refused_total[1h]))', legend: 'refused in the last hour' },
        ],
      },
    ],
  },
  {
    title: 'The bus and the processes',
    panels: [
      {
        title: 'Events published',
        unit: 'ops',
        queries: [{ expr: `sum by (type) (rate(couchestor_bus_published_total${range}))`, legend: '{{type}}' }],
      },
      {
        title: 'Events handled',
        unit: 'ops',
        queries: [{ expr: `sum by (type, result) (rate(couchestor_bus_handled_total${range}))`, legend: '{{type}}: {{result}}' }],
      },
      {
        title: 'Memory',
        queries: [
          {
            expr: 'process_resident_memory_bytes{job=~"couchestor.*|metrics-watcher|policy-brain|migrator|ec-encoder"}',
            legend: '{{pod}}{{instance}}',
          },
        ],
      },
      {
        title: 'Processor',
        queries: [
          {
            expr: `rate(process_cpu_seconds_total{job=~"couchestor.*|metrics-watcher|policy-brain|migrator|ec-encoder"}${range})`,
            legend: '{{pod}}{{instance}}',
          },
        ],
      },
    ],
  },
  {
    title: 'The simulated cluster (local stack only)',
    panels: [
      {
        title: 'Operations',
        unit: 'ops',
        queries: [{ expr: `rate(couchestor_simulator_operations${range})`, legend: 'reads and writes' }],
      },
      { title: 'Wrong blocks read', queries: [{ expr: 'couchestor_simulator_corrupt_reads' }] },
      { title: 'Time under-replicated', unit: 's', queries: [{ expr: 'couchestor_simulator_under_replicated_seconds' }] },
    ],
  },
];

const gridColumns = 24;
const statColumns = 6;
const graphColumns = 8;
const statLines = 4;
const graphLines = 8;
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana puts the data source there that is chosen on the dashboard.
const datasource = { type: 'prometheus', uid: '${datasource}' };

export function dashboard(): string {
  const placed: object[] = [];
  let y = 0;
  let id = 1;
  for (const row of rows) {
    placed.push({ id: id++, type: 'row', title: row.title, collapsed: false, panels: [], gridPos: { x: 0, y, w: gridColumns, h: 1 } });
    y += 1;
    let x = 0;
    let lines = 0;
    for (const panel of row.panels) {
      const [w, h] = panel.type === 'stat' ? [statColumns, statLines] : [graphColumns, graphLines];
      if (x + w > gridColumns) {
        x = 0;
        y += h;
      }
      placed.push(panelOf(panel, { id: id++, gridPos: { x, y, w, h } }));
      x += w;
      lines = h;
    }
    y += lines;
  }
  const body = {
    uid: 'couchestor',
    title: 'CoucheStor',
    tags: ['couchestor', 'storage'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0, options: [], refresh: 1 },
      ],
    },
    annotations: { list: [] },
    links: [],
    panels: placed,
  };
  return `${withShortLists(JSON.stringify(body, null, 2))}\n`;
}

/** Lists of words on one line each, as the formatter has them. */
function withShortLists(json: string): string {
  return json.replaceAll(/\[\s+("[^"]*"(?:,\s+"[^"]*")*)\s+\]/g, (_all, words: string) => `[${words.replaceAll(/,\s+/g, ', ')}]`);
}

function panelOf(panel: Panel, place: { id: number; gridPos: object }): object {
  const { type = 'timeseries', unit = 'short', stack = false, description } = panel;
  return {
    ...place,
    type,
    title: panel.title,
    ...(description === undefined ? {} : { description }),
    datasource,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(type === 'timeseries'
          ? { custom: { fillOpacity: stack ? 30 : 5, stacking: { mode: stack ? 'normal' : 'none', group: 'A' } } }
          : {}),
      },
      overrides: [],
    },
    options:
      type === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, colorMode: 'value', graphMode: 'area' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: panel.queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      ...(legend === undefined ? {} : { legendFormat: legend }),
    })),
  };
}
