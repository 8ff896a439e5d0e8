import type { Bus } from '@couchestor/shared/bus/connect';
import type { EventContract } from '@couchestor/shared/contracts/define';
import { stripeIdsMax } from '@couchestor/shared/contracts/vault-events';
import { expect, it } from 'vitest';
import { VaultNews } from './vault-news.ts';

/** What would be published. */
async function told(news: VaultNews): Promise<{ type: string; payload: unknown }[]> {
  const seen: { type: string; payload: unknown }[] = [];
  const publish = async <T>(event: EventContract<T>, payload: T): Promise<void> => {
    seen.push({ type: event.type, payload: event.payload.parse(payload) });
  };
  for (const one of news.take()) {
    await one({ publish } as Pick<Bus, 'publish'>, 'id');
  }
  return seen;
}

it('tells what happened in one message of each kind, and once', async () => {
  const news = new VaultNews({ vaultId: 'v', policy: 'gold' });
  news.add({ kind: 'stripe-encoded', stripeId: 1, payloadBytes: 10 });
  news.add({ kind: 'stripe-encoded', stripeId: 2, payloadBytes: 20 });
  news.add({ kind: 'stripe-lost', stripeId: 3 });
  news.add({ kind: 'changed' });
  news.add({ kind: 'drive-failed', drive: 4, path: '/d', reason: 'EIO' });
  expect(await told(news)).toEqual([
    { type: 'drive.failed', payload: { vaultId: 'v', policy: 'gold', drive: 4, path: '/d', reason: 'EIO' } },
    { type: 'stripe.encoded', payload: { vaultId: 'v', policy: 'gold', stripeIds: [1, 2], count: 2, payloadBytes: 30 } },
    { type: 'stripe.lost', payload: { vaultId: 'v', policy: 'gold', stripeIds: [3], count: 1 } },
  ]);
  expect(await told(news)).toEqual([]);
});

it('names as many stripes as a message takes, and counts them all', async () => {
  const news = new VaultNews({ vaultId: 'v', policy: 'gold' });
  for (let stripeId = 0; stripeId < stripeIdsMax + 500; stripeId += 1) {
    news.add({ kind: 'stripe-degraded', stripeId, missingShards: 1 });
  }
  const [{ payload } = { payload: {} }] = await told(news);
  expect(payload).toMatchObject({ count: stripeIdsMax + 500, stripeIds: expect.arrayContaining([stripeIdsMax - 1]) });
});
