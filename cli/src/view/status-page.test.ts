import { describe, expect, it } from 'vitest';
import type { SystemStatus, VaultSummary } from '../client/gather-status.ts';
import { painter } from '../terminal/ansi.ts';
import { statusPage } from './status-page.ts';

const vault: VaultSummary = {
  vaultId: 'v-1',
  policy: 'gold',
  phase: 'degraded',
  survives: 'survives any 2 of 6 drives; 0 disk losses: all drives are on one disk',
  volumes: 4,
  stripes: { total: 9_000, healthy: 8_997, degraded: 2, rebuilding: 1, lost: 1 },
  problems: ['Degraded: one disk.'],
  at: '2026-01-01T00:00:00Z',
};

function page(vaults: readonly VaultSummary[]): string {
  const status: SystemStatus = {
    healthy: true,
    natsUrl: 'nats://127.0.0.1:4222',
    services: [],
    volumes: { total: 0, placement: {}, decision: {} },
    migrations: { open: 0, finished: {} },
    policies: { total: 0, phase: {} },
    vaults,
    attention: [],
    deadLetters: 0,
  };
  return statusPage(status, { paint: painter(false), columns: 100 }).join('\n');
}

describe('the status page', () => {
  it('tells of each vault what it survives and what is wrong with it', () => {
    expect(page([vault])).toContain(
      'vault         gold: degraded, survives any 2 of 6 drives; 0 disk losses: all drives are on one disk; 4 volumes, 9,000 stripes, 2 degraded, 1 lost\n! vault of gold: Degraded: one disk.',
    );
  });

  it('says nothing of vaults where there are none', () => {
    expect(page([])).not.toContain('vault');
  });
});
