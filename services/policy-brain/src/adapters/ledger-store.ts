/** The ledger: what each volume's moves have come to. */
import type { Bus } from '@couchestor/shared/bus/connect';
import { type LedgerEntry, ledgerBucket } from '@couchestor/shared/contracts/brain';
import { emptyEntry } from '../domain/ledger.ts';
import { BucketMirror } from './bucket-mirror.ts';

export class LedgerStore extends BucketMirror<LedgerEntry> {
  constructor(bus: Pick<Bus, 'bucket'>, term: { assertLeads(): void }) {
    super({ bus, term, contract: ledgerBucket, empty: emptyEntry });
  }
}
