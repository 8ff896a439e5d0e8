/** docs/configuration.md: every option of every service and command. */
import { clientOptions } from '@couchestor/cli/client/options';
import { placeOptions } from '@couchestor/cli/doctor/options';
import { vaultOptions } from '@couchestor/cli/ec/options';
import { stackOptions } from '@couchestor/cli/stack/options';
import { ecEncoder } from '@couchestor/ec-encoder/service';
import { mayastorSimulator } from '@couchestor/mayastor-simulator/service';
import { metricsWatcher } from '@couchestor/metrics-watcher/service';
import { migrator } from '@couchestor/migrator/service';
import { policyBrain } from '@couchestor/policy-brain/service';
import { commonOptions } from '@couchestor/shared/common-options';
import { environmentNames, type OptionEntry } from '@couchestor/shared/option-values';
import { describeDefault, type OptionTable } from '@couchestor/shared/options';
import type { ServiceDefinition } from '@couchestor/shared/service';
import { code, generatedPage, table } from './markdown.ts';

/** In the order of the flow. */
export const services: readonly Pick<ServiceDefinition, 'name' | 'summary' | 'options' | 'usesBus'>[] = [
  metricsWatcher,
  policyBrain,
  migrator,
  ecEncoder,
  mayastorSimulator,
];

/** Defaults longer than this stand below their table. */
const defaultCharactersMax = 60;

const { natsUrl, logLevel, logJson, metricsAddr, healthAddr } = commonOptions;
const clusterOptions: OptionTable = Object.fromEntries(Object.entries(placeOptions).filter(([key]) => !Object.hasOwn(clientOptions, key)));
const everywhere: OptionTable = { natsUrl, logLevel, logJson, metricsAddr, healthAddr };

export function configurationPage(): string {
  return generatedPage({
    title: 'Configuration',
    from: "the services' option tables",
    intro:
      'A flag wins over its environment variable, and that over the default; an empty variable counts as not set. Flags without a value are switches: `--dry-run` turns on, and so does `DRY_RUN=true`. Durations are digits and a unit, repeated: `90s`, `30m`, `1d12h`. All bad options are reported together, by flag and variable, and the process ends with exit code 2. `couchestor operator` takes the options of metrics-watcher, policy-brain and migrator together.',
    sections: [
      policySection(),
      `## Every service\n\nThe simulator takes no ${code(`--${natsUrl.flag}`)}: it uses no bus.\n\n${optionTable(everywhere)}`,
      ...services.map(serviceSection),
      `## Commands that run the local stack\n\n${code('couchestor up')} and ${code('couchestor demo')}.\n\n${optionTable(stackOptions)}`,
      `## Commands that ask a running system\n\n${code('status')}, ${code('volumes')}, ${code('policies')}, ${code('migrations')}, ${code('explain')} and ${code('dead-letters')}.\n\n${optionTable(clientOptions)}`,
      `## Commands that ask a vault\n\n${code('ec')} and ${code('store')}, beside those that ${code('--help')} tells of. ${code('ec serve')} takes the options of ec-encoder.\n\n${optionTable(vaultOptions)}`,
      `## Commands that look at a cluster\n\n${code('doctor')} and ${code('uninstall')}, beside the options above and those that ${code('--help')} tells of.\n\n${optionTable(clusterOptions)}`,
      environmentSection(),
    ],
  });
}

function serviceSection({ name, summary, options }: (typeof services)[number]): string {
  const shared = new Set<OptionEntry>(Object.values(everywhere));
  const own = Object.fromEntries(Object.entries(options).filter(([, entry]) => !shared.has(entry)));
  const long = Object.values(own).filter(isLong);
  return [
    `## ${name}`,
    summary,
    optionTable(own),
    ...long.map((entry) => `Default of ${code(`--${entry.flag}`)}:\n\n\`\`\`\n${String(entry.default)}\n\`\`\``),
  ].join('\n\n');
}

function optionTable(options: OptionTable): string {
  const rows = Object.values(options).map((entry) => [
    code(`--${entry.flag}`),
    environmentNames(entry).map(code).join(', ') || '-',
    kindOf(entry),
    isLong(entry) ? 'below' : describeDefault(entry).replace(/^default: (.*)$/, (_whole, value: string) => code(value)),
    entry.description,
  ]);
  return table(['Flag', 'Environment', 'Value', 'Default', 'Meaning'], rows);
}

function isLong(entry: OptionEntry): boolean {
  return entry.kind === 'string' && (entry.default?.length ?? 0) > defaultCharactersMax;
}

function kindOf(entry: OptionEntry): string {
  switch (entry.kind) {
    case 'boolean':
      return 'switch';
    case 'enum':
      return entry.values.map(code).join(', ');
    case 'address':
      return 'host:port';
    case 'integer':
    case 'number':
      return [
        entry.kind,
        ...(entry.min === undefined ? [] : [`from ${entry.min}`]),
        ...(entry.max === undefined ? [] : [`to ${entry.max}`]),
      ].join(' ');
    default:
      return entry.kind;
  }
}

function policySection(): string {
  return '## StoragePolicy\n\nPolicies are no options: they are custom resources, or files of the same form. [Custom resources](custom-resources.md) has all their fields with defaults, bounds and rules.';
}

function environmentSection(): string {
  const rows = [
    [
      '`NATS_URL`, `REDIS_URL`, `PROMETHEUS_URL`',
      'The local stack and the tests use these servers instead of starting their own. Their data is used as it is: name servers that hold nothing else.',
    ],
    ['`XDG_CACHE_HOME`', 'Downloaded servers are kept in `couchestor` below it. Default: `~/.cache`.'],
    ['`XDG_STATE_HOME`', 'The local stack keeps its data in `couchestor/local` below it. Default: `~/.local/state`.'],
    [
      '`COUCHESTOR_STOP_ON_STDIN_EOF`',
      '`1`: a service stops when its standard input ends, so that a supervisor that dies leaves no orphan.',
    ],
    ['`NO_COLOR`', 'Set to anything: no colours on a terminal.'],
  ];
  return `## Further environment variables\n\n${table(['Variable', 'Meaning'], rows)}`;
}
