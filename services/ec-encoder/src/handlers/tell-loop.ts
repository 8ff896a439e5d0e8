/**
 * Tells the bus of a vault: what happened, in batches, and how the vault is, in its record.
 *
 * The bus is no condition of anything that a vault does: while it is away, news are counted together, and told when it is back.
 */
import { randomUUID } from 'node:crypto';
import type { Bus } from '@couchestor/shared/bus/connect';
import type { VaultStatus } from '@couchestor/shared/contracts/vault';
import { type VaultRecord, vaultsBucket } from '@couchestor/shared/contracts/vault-events';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { VaultApi, VaultEvent } from '../vault/vault-api.ts';
import { type News, VaultNews } from './vault-news.ts';

export interface TellTimings {
  /** Between two batches of news; as long does a change of the status wait at the most. */
  readonly newsMs: number;
  /** Between two writes of the record where only its counts have changed. */
  readonly countsMs: number;
  /** An unchanged record is written again, so that it tells of a living vault. */
  readonly heartbeatMs: number;
}

const tellTimings: TellTimings = { newsMs: 1_000, countsMs: 10_000, heartbeatMs: 60_000 };

export interface TellDeps {
  readonly vault: Pick<VaultApi, 'vaultId' | 'status' | 'onEvent'>;
  /** Resolves once there is one. Rejects where there will be none. */
  readonly bus: Promise<Pick<Bus, 'publish' | 'bucket'>>;
  readonly now: () => number;
  readonly logger: Logger;
  readonly timings?: TellTimings;
}

export interface Telling {
  /** Tells what is left, where the bus answers. */
  stop(): Promise<void>;
}

export function startTelling(deps: TellDeps): Telling {
  const { vault, logger, now, timings = tellTimings } = deps;
  const stopping = new AbortController();
  const news = new VaultNews({ vaultId: vault.vaultId, policy: vault.status().policy.name });
  let changed = true;
  const unsubscribe = vault.onEvent((event: VaultEvent) => {
    news.add(event);
    changed ||= event.kind !== 'stripe-encoded';
  });
  const outbox: { readonly publish: News; readonly id: string }[] = [];
  let written: { record: VaultRecord; atMs: number } | undefined;

  async function tell(bus: Pick<Bus, 'publish' | 'bucket'>): Promise<void> {
    // What could not be published goes first; what has happened since is counted together meanwhile.
    if (outbox.length === 0) {
      outbox.push(...news.take().map((publish) => ({ publish, id: randomUUID() })));
    }
    for (let next = outbox[0]; next !== undefined; next = outbox[0]) {
      await next.publish(bus, next.id);
      outbox.shift();
    }
    const record = recordOf(vault.status(), now());
    const sinceMs = written === undefined ? Number.POSITIVE_INFINITY : now() - written.atMs;
    const isDue =
      written === undefined ||
      changed ||
      sinceMs >= timings.heartbeatMs ||
      standingOf(record) !== standingOf(written.record) ||
      (sinceMs >= timings.countsMs && contentOf(record) !== contentOf(written.record));
    if (isDue) {
      changed = false;
      try {
        await write(bus, record);
      } catch (error) {
        changed = true;
        throw error;
      }
      written = { record, atMs: now() };
    }
  }

  async function loop(): Promise<void> {
    const bus = await deps.bus;
    while (!stopping.signal.aborted) {
      await tell(bus).catch((err: unknown) => logger.warn({ err }, 'the bus could not be told how the vault is; it is tried again'));
      await sleep(timings.newsMs, stopping.signal).catch(() => undefined);
    }
    await tell(bus);
  }

  // Where there is no bus at all, whoever connects tells why.
  const ended = loop().catch((err: unknown) => logger.debug({ err }, 'the bus was not told the last of the vault'));
  return {
    async stop() {
      unsubscribe();
      stopping.abort();
      await ended;
    },
  };
}

async function write(bus: Pick<Bus, 'bucket'>, record: VaultRecord): Promise<void> {
  const bucket = bus.bucket(vaultsBucket);
  const before = await bucket.get(record.vaultId);
  // Nobody else writes it: where it has moved on all the same, the next turn writes it.
  await (before === undefined ? bucket.create(record.vaultId, record) : bucket.update(record.vaultId, record, before.revision));
}

function recordOf({ vaultId, policy, phase, volumes, stripes, survives, conditions }: VaultStatus, nowMs: number): VaultRecord {
  return { vaultId, policy, phase, volumes, stripes, survives, conditions, at: new Date(nowMs).toISOString() };
}

/** What is told at once when it changes. */
function standingOf({ phase, survives, conditions, policy }: VaultRecord): string {
  return JSON.stringify([phase, survives, conditions, policy]);
}

function contentOf({ at: _at, ...content }: VaultRecord): string {
  return JSON.stringify(content);
}
