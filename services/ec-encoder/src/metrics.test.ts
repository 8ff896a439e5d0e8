import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { ecEncoderMetrics } from './metrics.ts';
import { FakeVault } from './vault/fake-vault.fixture.ts';

describe('the metrics of ec-encoder', () => {
  it('tell the status as it is when they are asked for, and count up without counting twice', async () => {
    const registry = new Registry();
    const vault = new FakeVault();
    ecEncoderMetrics(registry, { status: () => vault.status() });
    await registry.metrics();
    vault.overrides = { stripesEncoded: 12, stripes: { total: 12, healthy: 9, degraded: 2, rebuilding: 1, lost: 1 } };
    const text = await registry.metrics();
    expect(text).toContain('\ncouchestor_ec_stripes_total 12\n');
    expect(text).toContain('\ncouchestor_ec_stripes{state="lost"} 1\n');
    expect(text).toContain('\ncouchestor_ec_journal_fill_ratio 0.25\n');
    expect(text).toContain('\ncouchestor_ec_destage_lag_seconds 1.5\n');
    expect(text).toContain('\ncouchestor_ec_drives{state="online"} 6\n');
    expect(text).toContain('\ncouchestor_ec_phase{phase="ready"} 1\n');
  });

  it('tell nothing of a vault that is not open yet', async () => {
    const registry = new Registry();
    ecEncoderMetrics(registry, { status: () => undefined });
    expect(await registry.getSingleMetric('couchestor_ec_stripes')?.get()).toMatchObject({ values: [] });
  });

  it('measure drives and NBD requests in cumulative buckets', async () => {
    const registry = new Registry();
    const { observer, nbd } = ecEncoderMetrics(registry, { status: () => undefined });
    observer.driveCall({ drive: 3, operation: 'read', durationMs: 0.3, failed: false });
    observer.driveCall({ drive: 3, operation: 'read', durationMs: 20_000, failed: true });
    nbd.request('write', 'ok', 4_096, 2);
    nbd.request('write', 'ok', 4_096, 2);
    nbd.connected();
    const text = await registry.metrics();
    expect(text).toContain('couchestor_ec_drive_seconds_bucket{le="0.00025",drive="3",operation="read"} 0\n');
    expect(text).toContain('couchestor_ec_drive_seconds_bucket{le="0.0005",drive="3",operation="read"} 1\n');
    expect(text).toContain('couchestor_ec_drive_seconds_bucket{le="+Inf",drive="3",operation="read"} 2\n');
    expect(text).toContain('couchestor_ec_drive_seconds_count{drive="3",operation="read"} 2\n');
    expect(text).toContain('couchestor_ec_drive_failures_total{drive="3",operation="read"} 1\n');
    expect(text).toContain('couchestor_ec_nbd_bytes_total{command="write",result="ok"} 8192\n');
    expect(text).toContain('couchestor_ec_nbd_connections 1\n');
  });
});
