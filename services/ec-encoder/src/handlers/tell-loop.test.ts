import type { Bus } from '@couchestor/shared/bus/connect';
import type { EventContract } from '@couchestor/shared/contracts/define';
import type { VaultRecord } from '@couchestor/shared/contracts/vault-events';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeVault } from '../vault/fake-vault.fixture.ts';
import { startTelling, type Telling } from './tell-loop.ts';

const logger = quietLogger();
const timings = { newsMs: 1, countsMs: 10_000, heartbeatMs: 60_000 };

/** As much of a bus as is told. */
class HeardBus {
  isAway = false;
  readonly published: { type: string; id: string | undefined }[] = [];
  readonly records: VaultRecord[] = [];

  publish = async <T>(event: EventContract<T>, _payload: T, options: { id?: string } = {}): Promise<void> => {
    this.published.push({ type: event.type, id: options.id });
    this.#assertThere();
  };

  bucket = (() => ({
    get: async () => {
      this.#assertThere();
      const value = this.records.at(-1);
      return value === undefined ? undefined : { key: value.vaultId, value, revision: this.records.length, writtenAt: new Date() };
    },
    create: async (_key: string, record: VaultRecord) => this.records.push(record),
    update: async (_key: string, record: VaultRecord) => this.records.push(record),
  })) as unknown as Bus['bucket'];

  #assertThere(): void {
    if (this.isAway) {
      throw new Error('the bus is away');
    }
  }
}

let vault: FakeVault;
let bus: HeardBus;
let nowMs: number;
let telling: Telling | undefined;
let turns: number;

beforeEach(() => {
  vault = new FakeVault();
  bus = new HeardBus();
  nowMs = Date.parse('2026-05-06T07:08:09Z');
  turns = 0;
  const status = vault.status.bind(vault);
  vault.status = () => {
    turns += 1;
    return status();
  };
});

afterEach(async () => {
  await telling?.stop();
});

function start(connected: Promise<HeardBus> = Promise.resolve(bus)): void {
  telling = startTelling({ vault, bus: connected, now: () => nowMs, logger, timings });
}

/** Until the loop has looked at the vault twice more: the first look may have begun before what was just changed. */
async function looked(): Promise<void> {
  const before = turns;
  await waitUntil(() => turns >= before + 2);
}

describe('what the bus is told of a vault', () => {
  it('has its record at once, and not again while nothing changes', async () => {
    start();
    await waitUntil(() => bus.records.length === 1);
    await looked();
    expect(bus.records).toEqual([expect.objectContaining({ vaultId: 'v-1', phase: 'ready', at: '2026-05-06T07:08:09.000Z' })]);
  });

  it('has a change of phase at once, and changed counts only after a while', async () => {
    start();
    await waitUntil(() => bus.records.length === 1);
    vault.overrides = { stripes: { total: 10, healthy: 10, degraded: 0, rebuilding: 0, lost: 0 } };
    await looked();
    expect(bus.records).toHaveLength(1);
    nowMs += timings.countsMs;
    await waitUntil(() => bus.records.length === 2);
    vault.overrides = { ...vault.overrides, phase: 'degraded' };
    await waitUntil(() => bus.records.length === 3);
    expect(bus.records.at(-1)).toMatchObject({ phase: 'degraded', stripes: { total: 10 } });
  });

  it('hears from time to time that the vault lives', async () => {
    start();
    await waitUntil(() => bus.records.length === 1);
    nowMs += timings.heartbeatMs;
    await waitUntil(() => bus.records.length === 2);
  });

  it('gets news that could not be published again, under the same id, and what came meanwhile after it', async () => {
    bus.isAway = true;
    start();
    vault.emit({ kind: 'stripe-lost', stripeId: 1 });
    await waitUntil(() => bus.published.length >= 2);
    vault.emit({ kind: 'stripe-rebuilt', stripeId: 1 });
    bus.isAway = false;
    await waitUntil(() => bus.published.some(({ type }) => type === 'stripe.rebuilt'));
    const lost = bus.published.filter(({ type }) => type === 'stripe.lost');
    expect(new Set(lost.map(({ id }) => id)).size).toBe(1);
    expect(bus.published.at(-1)?.type).toBe('stripe.rebuilt');
  });

  it('is told the last of it when the vault stops', async () => {
    start();
    await waitUntil(() => bus.records.length === 1);
    vault.emit({ kind: 'drive-failed', drive: 1, path: '/d', reason: 'EIO' });
    await telling?.stop();
    expect(bus.published.map(({ type }) => type)).toEqual(['drive.failed']);
  });

  it('is nothing that a stop waits for where it never came', async () => {
    start(Promise.reject(new Error('no bus')));
    await telling?.stop();
    expect(bus.published).toEqual([]);
  });
});
