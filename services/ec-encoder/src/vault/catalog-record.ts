/**
 * Keeps the newest catalog on the drives too, as a stripe without payload, so that an index made anew knows what is a volume.
 *
 * The index is changed first and counts; a crash in between leaves an older catalog on the drives until the vault is opened again.
 */
import type { IndexStore } from '../adapters/index/index-store.ts';
import { applyEffects } from '../domain/apply-effects.ts';
import { shapeOf } from '../domain/geometry.ts';
import type { CatalogEffect } from '../domain/stripe.ts';
import type { StripeWriter } from './stripe-writer.ts';

export interface CatalogRecordDeps {
  readonly index: IndexStore;
  readonly writer: StripeWriter;
  readonly code: { readonly dataShards: number; readonly parityShards: number };
  readonly inFlight: <T>(work: () => Promise<T>) => Promise<T>;
}

export class CatalogRecord {
  readonly #deps: CatalogRecordDeps;
  #kept: { readonly stripeId: number; readonly version: number } | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(deps: CatalogRecordDeps) {
    this.#deps = deps;
  }

  /** The newest that is on the drives and in the index; undefined until one was written by this process. */
  get kept(): { readonly stripeId: number; readonly version: number } | undefined {
    return this.#kept;
  }

  /** Resolves once the catalog as it is now is on the drives. Throws VaultError where no stripe can be written. */
  async keep(): Promise<void> {
    const next = this.#last.catch(() => undefined).then(() => this.#keep());
    this.#last = next;
    await next;
  }

  async #keep(): Promise<void> {
    const { index, writer, code } = this.#deps;
    const { catalog } = index;
    if (catalog.version === this.#kept?.version) {
      return;
    }
    const effects: CatalogEffect[] = [{ kind: 'catalog', version: catalog.version, json: JSON.stringify(catalog) }];
    await this.#deps.inFlight(async () => {
      const stripe = {
        ...(await writer.write({ shape: shapeOf(code, 0), data: new Uint8Array(0), effects, useReserve: true })),
        effects,
      };
      const old = this.#kept?.stripeId;
      await index.change((see) => ({
        writes: { ...applyEffects(see, { stripe }), removedStripes: old === undefined ? [] : [old] },
        result: undefined,
      }));
      this.#kept = { stripeId: stripe.row.stripeId, version: catalog.version };
    });
  }
}
