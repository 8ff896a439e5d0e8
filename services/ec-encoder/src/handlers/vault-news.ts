/** What happened in a vault since the bus was last told, in no more memory than a few messages take: ids beyond a message's are only counted. */
import type { Bus } from '@couchestor/shared/bus/connect';
import type { EventContract } from '@couchestor/shared/contracts/define';
import {
  driveFailed,
  stripeDegraded,
  stripeEncoded,
  stripeIdsMax,
  stripeLost,
  stripeRebuilt,
} from '@couchestor/shared/contracts/vault-events';
import type { VaultEvent } from '../vault/vault-api.ts';

/** Drives that fail between two tellings. One process has not as many. */
const drivesMax = 256;
/** As the contract takes them. */
const reasonCharactersMax = 2_000;

/** One message: how it is published. The id is the same when it has to be published again. */
export type News = (bus: Pick<Bus, 'publish'>, id: string) => Promise<void>;

interface Batch {
  readonly stripeIds: number[];
  count: number;
  payloadBytes: number;
}

const stripeEvents = {
  'stripe-degraded': stripeDegraded,
  'stripe-rebuilt': stripeRebuilt,
  'stripe-lost': stripeLost,
} as const;
type StripeKind = 'stripe-encoded' | keyof typeof stripeEvents;

export class VaultNews {
  readonly #origin: { readonly vaultId: string; readonly policy: string };
  readonly #batches = new Map<StripeKind, Batch>();
  #drives: Extract<VaultEvent, { kind: 'drive-failed' }>[] = [];

  constructor(origin: { vaultId: string; policy: string }) {
    this.#origin = origin;
  }

  add(event: VaultEvent): void {
    if (event.kind === 'changed') {
      return;
    }
    if (event.kind === 'drive-failed') {
      this.#drives = [...this.#drives, event].slice(-drivesMax);
      return;
    }
    let batch = this.#batches.get(event.kind);
    if (batch === undefined) {
      batch = { stripeIds: [], count: 0, payloadBytes: 0 };
      this.#batches.set(event.kind, batch);
    }
    batch.count += 1;
    batch.payloadBytes += event.kind === 'stripe-encoded' ? event.payloadBytes : 0;
    if (batch.stripeIds.length < stripeIdsMax) {
      batch.stripeIds.push(event.stripeId);
    }
  }

  /** Takes what there is. */
  take(): News[] {
    const drives = this.#drives.map(({ drive, path, reason }) =>
      message(driveFailed, { ...this.#origin, drive, path, reason: reason.slice(0, reasonCharactersMax) }),
    );
    const stripes = [...this.#batches].map(([kind, { payloadBytes, ...batch }]) => {
      const payload = { ...this.#origin, ...batch };
      return kind === 'stripe-encoded' ? message(stripeEncoded, { ...payload, payloadBytes }) : message(stripeEvents[kind], payload);
    });
    this.#drives = [];
    this.#batches.clear();
    return [...drives, ...stripes];
  }
}

function message<T>(event: EventContract<T>, payload: T): News {
  return (bus, id) => bus.publish(event, payload, { id });
}
