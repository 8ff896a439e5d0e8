/** The commands by name. Each is loaded only when it is asked for, so that `--help` and small commands start quickly. */
import type { Command } from './command.ts';

export interface TableEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const commandTable: readonly TableEntry[] = [
  {
    name: 'up',
    summary: 'Run everything on this machine, with a simulated Mayastor cluster, and watch it work.',
    load: async () => (await import('./commands/up.ts')).up,
  },
  {
    name: 'demo',
    summary: 'Run the compressed scenario unattended, kill the migrator in mid-move, verify every byte.',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'operator',
    summary: 'Run watcher, brain and migrator in one process. Options without a command mean this one.',
    load: async () => (await import('./commands/operator.ts')).operator,
  },
  { name: 'run', summary: 'Run one service.', load: async () => (await import('./commands/run.ts')).run },
  {
    name: 'status',
    summary: 'Health of the services, counts, and what needs attention.',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'volumes',
    summary: 'Volumes with IOPS, tier, pools and the decision on each.',
    load: async () => (await import('./commands/volumes.ts')).volumes,
  },
  {
    name: 'policies',
    summary: 'Policies with phase, counters and conditions.',
    load: async () => (await import('./commands/policies.ts')).policies,
  },
  {
    name: 'migrations',
    summary: 'List, show, watch, cancel or retry moves.',
    load: async () => (await import('./commands/migrations.ts')).migrations,
  },
  {
    name: 'explain',
    summary: 'Why a volume is where it is: the last decision with its numbers.',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'ec',
    summary: 'Erasure-coded volumes and drives: serve, make, look at, repair.',
    load: async () => (await import('./commands/ec.ts')).ec,
  },
  {
    name: 'store',
    summary: 'Back up a vault that runs, or restore one that does not.',
    load: async () => (await import('./commands/store.ts')).store,
  },
  {
    name: 'doctor',
    summary: 'Whether everything is as moves need it, and what they have left in Mayastor, with the cures.',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'uninstall',
    summary: 'Undo what of ours stands in Mayastor, so that nothing is stuck, and tell what is left to delete.',
    load: async () => (await import('./commands/uninstall.ts')).uninstall,
  },
  {
    name: 'dead-letters',
    summary: 'List or replay messages that could not be handled.',
    load: async () => (await import('./commands/dead-letters.ts')).deadLetters,
  },
];
