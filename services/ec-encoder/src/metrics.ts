/** Every metric of ec-encoder. */
import { driveStates, type VaultStatus, vaultPhases } from '@couchestor/shared/contracts/vault';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { NbdMetrics } from './adapters/nbd/metrics.ts';
import { LightHistogram } from './light-histogram.ts';
import type { VaultObserver } from './vault/vault-api.ts';

export interface EcEncoderMetrics {
  readonly observer: VaultObserver;
  readonly nbd: NbdMetrics;
}

/** From the page cache to a drive that hangs. */
const driveSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const nbdSeconds = [0.00005, ...driveSeconds];

/** @param status undefined until the vault is open */
export function ecEncoderMetrics(registry: Registry, { status }: { status: () => VaultStatus | undefined }): EcEncoderMetrics {
  addVaultMetrics(registry, status);
  return { observer: driveObserver(registry), nbd: nbdMetrics(registry) };
}

function addVaultMetrics(registry: Registry, status: () => VaultStatus | undefined): void {
  /** Whatever is measured by asking for the status: nothing is told before there is one. */
  const ask = <L extends string>(
    kind: 'gauge' | 'counter',
    o: { name: string; help: string; labelNames?: readonly L[] },
    read: (now: VaultStatus) => readonly (readonly [Partial<Record<L, string>>, number])[],
  ): void => {
    const made = { name: o.name, help: o.help, labelNames: o.labelNames ?? [], registers: [registry] };
    const metric: { reset(): void; inc(labels: Partial<Record<L, string>>, value: number): void } =
      kind === 'gauge' ? new Gauge<L>({ ...made, collect: tell }) : new Counter<L>({ ...made, collect: tell });
    function tell(): void {
      const now = status();
      metric.reset();
      for (const [labels, value] of now === undefined ? [] : read(now)) {
        metric.inc(labels, value);
      }
    }
  };
  const one = (value: number) => [[{}, value]] as const;

  ask('counter', { name: 'couchestor_ec_stripes_total', help: 'Stripes that were written since the process started.' }, (now) =>
    one(now.stripesEncoded),
  );
  ask(
    'counter',
    {
      name: 'couchestor_ec_reconstructions_total',
      help: 'Reads that were computed from other shards, for theirs was lost, late or corrupt.',
    },
    (now) => one(now.reconstructions),
  );
  ask('counter', { name: 'couchestor_ec_checksum_errors_total', help: 'Blocks that were not as they had been written.' }, (now) =>
    one(now.checksumErrors),
  );
  ask(
    'gauge',
    {
      name: 'couchestor_ec_stripes',
      help: 'Stripes by their state. Those that are being rebuilt are among the degraded ones.',
      labelNames: ['state'],
    },
    ({ stripes: { healthy, degraded, rebuilding, lost } }) =>
      Object.entries({ healthy, degraded, rebuilding, lost }).map(([state, count]) => [{ state }, count] as const),
  );
  ask('gauge', { name: 'couchestor_ec_journal_fill_ratio', help: 'How full the journal is, 0 to 1. Writers wait at 1.' }, (now) =>
    one(now.journal.fillPercent / 100),
  );
  ask(
    'gauge',
    { name: 'couchestor_ec_journal_copies_missing', help: 'Copies of the journal that the policy wants and that are not live.' },
    ({ journal: { copies, wantedCopies } }) => one(Math.max(0, wantedCopies - copies.filter(({ isLive }) => isLive).length)),
  );
  ask('gauge', { name: 'couchestor_ec_destage_lag_seconds', help: 'Age of the oldest write that is in no stripe yet.' }, (now) =>
    one(now.journal.destageLagMs / 1_000),
  );
  ask('gauge', { name: 'couchestor_ec_rebuild_bytes_per_second', help: 'How fast lost shards are being rebuilt.' }, (now) =>
    one(now.rebuild.bytesPerSecond),
  );
  ask(
    'gauge',
    { name: 'couchestor_ec_capacity_bytes', help: 'Space on the drives, and what volumes and blobs hold (mapped).', labelNames: ['kind'] },
    ({ capacity }) => (['total', 'used', 'free', 'mapped'] as const).map((kind) => [{ kind }, capacity[`${kind}Bytes`]] as const),
  );
  ask('gauge', { name: 'couchestor_ec_drives', help: 'Drives by their state.', labelNames: ['state'] }, ({ drives }) =>
    driveStates.map((state) => [{ state }, drives.filter((drive) => drive.state === state).length] as const),
  );
  ask('gauge', { name: 'couchestor_ec_phase', help: '1 for the phase that the vault is in.', labelNames: ['phase'] }, (now) =>
    vaultPhases.map((phase) => [{ phase }, phase === now.phase ? 1 : 0] as const),
  );
}

function driveObserver(registry: Registry): VaultObserver {
  const seconds = new LightHistogram({
    name: 'couchestor_ec_drive_seconds',
    help: 'How long a call to a drive took, from its being queued to its answer.',
    labelNames: ['drive', 'operation'],
    buckets: driveSeconds,
    registry,
  });
  const failures = new Counter({
    name: 'couchestor_ec_drive_failures_total',
    help: 'Calls to a drive that failed or came too late.',
    labelNames: ['drive', 'operation'] as const,
    registers: [registry],
  });
  const known = { read: new Map<number, (value: number) => void>(), write: new Map<number, (value: number) => void>() };
  return {
    driveCall({ drive, operation, durationMs, failed }) {
      let count = known[operation].get(drive);
      if (count === undefined) {
        count = seconds.series({ drive: String(drive), operation });
        known[operation].set(drive, count);
      }
      count(durationMs / 1_000);
      if (failed) {
        failures.inc({ drive: String(drive), operation });
      }
    },
  };
}

function nbdMetrics(registry: Registry): NbdMetrics {
  const seconds = new LightHistogram({
    name: 'couchestor_ec_nbd_seconds',
    help: 'How long an NBD request took, from its arrival in whole to its reply.',
    labelNames: ['command', 'result'],
    buckets: nbdSeconds,
    registry,
  });
  const known = new Map<string, Map<string, { bytes: number; count: (value: number) => void }>>();
  new Counter({
    name: 'couchestor_ec_nbd_bytes_total',
    help: 'Bytes of the ranges that NBD requests named.',
    labelNames: ['command', 'result'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const [command, results] of known) {
        for (const [result, { bytes }] of results) {
          this.inc({ command, result }, bytes);
        }
      }
    },
  });
  const connections = new Gauge({ name: 'couchestor_ec_nbd_connections', help: 'NBD connections that are open.', registers: [registry] });
  const refused = new Counter({
    name: 'couchestor_ec_nbd_refused_total',
    help: 'NBD connections that were refused because as many were open as are allowed.',
    registers: [registry],
  });
  return {
    request(command, result, bytes, ms) {
      let results = known.get(command);
      if (results === undefined) {
        results = new Map();
        known.set(command, results);
      }
      let entry = results.get(result);
      if (entry === undefined) {
        entry = { bytes: 0, count: seconds.series({ command, result }) };
        results.set(result, entry);
      }
      entry.bytes += bytes;
      entry.count(ms / 1_000);
    },
    connected: () => connections.inc(),
    disconnected: () => connections.dec(),
    refused: () => refused.inc(),
  };
}
