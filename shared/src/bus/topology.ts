/** Makes the streams and buckets of the contracts, and brings existing ones to the contracts' limits. Safe to call at any time, by anybody. */
import { DiscardPolicy, type JetStreamManager, nanos, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import type { BucketContract } from '../contracts/define.ts';
import { buckets, type StreamConfig as StreamContract, streams } from '../contracts/registry.ts';
import { bucketStream, bucketSubject } from '../contracts/subjects.ts';
import { BusError, isJetStreamRefusal, isMissingStream } from './errors.ts';

/** How long JetStream remembers message ids: a repeated publish within it is stored once. */
const dedupeWindowMs = 120_000;

/** @param o.replicas on how many servers each stream is kept; absent: as it is, and one for a new one */
export async function ensureTopology(manager: JetStreamManager, o: { replicas?: number | undefined } = {}): Promise<void> {
  const placed = o.replicas === undefined ? {} : { num_replicas: o.replicas };
  for (const config of [...streams.map(streamConfig), ...buckets.map(bucketConfig)]) {
    await ensureStream(manager, { ...config, ...placed });
  }
}

type WantedStream = Partial<StreamConfig> & { readonly name: string };

function streamConfig(contract: StreamContract): WantedStream {
  return {
    ...common,
    name: contract.name,
    description: contract.description,
    subjects: [...contract.subjects],
    max_age: nanos(contract.maxAgeMs),
    max_bytes: contract.maxBytes,
    max_msgs_per_subject: contract.maxMessagesPerSubject ?? -1,
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(Math.min(dedupeWindowMs, contract.maxAgeMs)),
  };
}

/**
 * Reads of a bucket go through the stream's leader (`allow_direct` is off): a read must see the reader's own writes, or a compare-and-set
 * would be decided on an old value. A full bucket refuses new records; dropping old ones would drop locks and journals.
 */
function bucketConfig(contract: Omit<BucketContract, 'value' | 'upcast'>): WantedStream {
  return {
    ...common,
    name: bucketStream(contract),
    description: contract.description,
    subjects: [bucketSubject(contract, '>')],
    max_age: contract.ttlMs === undefined ? 0 : nanos(contract.ttlMs),
    max_bytes: contract.maxBytes,
    max_msgs_per_subject: contract.history,
    discard: DiscardPolicy.New,
    duplicate_window: nanos(Math.min(dedupeWindowMs, contract.ttlMs ?? dedupeWindowMs)),
    allow_rollup_hdrs: true,
  };
}

const common = { storage: StorageType.File, retention: RetentionPolicy.Limits, allow_direct: false } as const;

async function ensureStream(manager: JetStreamManager, wanted: WantedStream): Promise<void> {
  try {
    const found = await manager.streams.info(wanted.name).catch((error: unknown) => {
      if (isMissingStream(error) && isJetStreamRefusal(error)) {
        return undefined;
      }
      throw error;
    });
    if (found === undefined) {
      await manager.streams.add(wanted);
    } else if (differs(found.config, wanted)) {
      const { storage: _storage, retention: _retention, name, ...changeable } = wanted;
      await manager.streams.update(name, changeable);
    }
  } catch (cause) {
    if (isJetStreamRefusal(cause)) {
      throw new BusError('STREAM_REFUSED', { stream: wanted.name }, { cause });
    }
    throw new BusError('NO_JETSTREAM', { stream: wanted.name }, { cause });
  }
}

function differs(found: StreamConfig, wanted: WantedStream): boolean {
  return Object.entries(wanted).some(([field, value]) => {
    const have = (found as unknown as Record<string, unknown>)[field];
    // JetStream leaves out what has its default: false and 0.
    return JSON.stringify(have ?? false) !== JSON.stringify(value) && !(have === undefined && (value === 0 || value === false));
  });
}
