/** Cuts a round's samples into messages that NATS takes. */
import { sampleBatchBytesMax, type VolumeSample } from '@couchestor/shared/contracts/volume-sampled';

/** For the payload's other fields and the bus's envelope around it. */
const envelopeBytes = 2_048;
/** The contract's limit on the samples of one message. */
const samplesPerBatchMax = 20_000;

/** At least one batch, so that a cluster without volumes is told apart from a watcher without rounds. */
export function batchSamples(samples: readonly VolumeSample[], bytesMax: number = sampleBatchBytesMax): VolumeSample[][] {
  let batch: VolumeSample[] = [];
  const batches = [batch];
  let bytes = envelopeBytes;
  for (const sample of samples) {
    // One more for the comma.
    const sampleBytes = Buffer.byteLength(JSON.stringify(sample)) + 1;
    if (batch.length > 0 && (bytes + sampleBytes > bytesMax || batch.length >= samplesPerBatchMax)) {
      batch = [];
      batches.push(batch);
      bytes = envelopeBytes;
    }
    batch.push(sample);
    bytes += sampleBytes;
  }
  return batches;
}
