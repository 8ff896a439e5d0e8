/** Joins what Mayastor says of each volume with what Prometheus measured: idle, measured or unknown, and why. */
import type { VolumeSample } from '@couchestor/shared/contracts/volume-sampled';
import { type Quantity, type Shard, shardKeyOf } from './queries.ts';
import type { Reading, VectorReadings } from './vector.ts';

export interface KnownVolume {
  readonly id: string;
  readonly published: boolean;
}

/** What one shard's queries gave. A quantity that was not asked for has no entry. */
export type ShardReadings = Readonly<Partial<Record<Quantity, VectorReadings>>>;

/** Of each shard its readings, or why there are none. */
export interface WindowReadings {
  readonly shards: readonly Shard[];
  readonly byShard: ReadonlyMap<string, ShardReadings | { readonly failed: string }>;
}

export function joinSamples(volumes: readonly KnownVolume[], readings: WindowReadings): VolumeSample[] {
  const fullCoverage = new Map([...readings.byShard].map(([key, shard]) => [key, 'failed' in shard ? 1 : fullCoverageOf(shard)]));
  return volumes.map(({ id, published }) => {
    if (!published) {
      return { status: 'idle', volumeId: id };
    }
    const shardKey = shardKeyOf(id, readings.shards);
    const shard = readings.byShard.get(shardKey) ?? { failed: 'it was not measured in this round' };
    return 'failed' in shard ? unknownSample(id, shard.failed) : sampleOf(id, shard, fullCoverage.get(shardKey) ?? 1);
  });
}

/**
 * What counts as full coverage: 1, or more where most volumes show more, because Prometheus scrapes more often than it is said to.
 * Otherwise such a surplus would hide gaps of the same size.
 */
function fullCoverageOf(shard: ShardReadings): number {
  const values = [...(shard.coverage?.byVolume.values() ?? [])].flatMap((reading) => ('value' in reading ? [reading.value] : []));
  return Math.max(1, values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 1);
}

export function unknownSample(volumeId: string, reason: string): VolumeSample {
  return {
    status: 'unknown',
    volumeId,
    reason: reason.length > reasonCharactersMax ? `${reason.slice(0, reasonCharactersMax)}...` : reason,
  };
}

// Repeated for every volume of a round.
const reasonCharactersMax = 300;

const needed = { readIops: 'read IOPS', writeIops: 'write IOPS', coverage: 'coverage' } as const satisfies Partial<
  Record<Quantity, string>
>;

function sampleOf(id: string, shard: ShardReadings, fullCoverage: number): VolumeSample {
  const key = id.toLowerCase();
  const found = (quantity: Quantity): Reading | undefined => shard[quantity]?.byVolume.get(key);
  for (const [quantity, name] of Object.entries(needed) as [keyof typeof needed, string][]) {
    const reading = found(quantity);
    if (reading === undefined) {
      return unknownSample(
        id,
        `the volume is published but Prometheus has no ${name} of it in this window: it is new, or the exporter on its node is not scraped`,
      );
    }
    if ('problem' in reading) {
      return unknownSample(id, `${name}: ${reading.problem}`);
    }
  }
  const coverage = floorTo(Math.min(1, (numberIn(found('coverage')) ?? 0) / fullCoverage), 4);
  if (coverage === 0) {
    return unknownSample(id, 'no part of this window was measured');
  }
  const readIops = roundTo(numberIn(found('readIops')) ?? 0, 3);
  const writeIops = roundTo(numberIn(found('writeIops')) ?? 0, 3);
  const readLatencyUs = numberIn(found('readLatencyUs'));
  const writeLatencyUs = numberIn(found('writeLatencyUs'));
  return {
    status: 'measured',
    volumeId: id,
    readIops,
    writeIops,
    iops: roundTo(readIops + writeIops, 3),
    ...(readLatencyUs === undefined ? {} : { readLatencyUs: roundTo(readLatencyUs, 1) }),
    ...(writeLatencyUs === undefined ? {} : { writeLatencyUs: roundTo(writeLatencyUs, 1) }),
    coverage,
  };
}

function numberIn(reading: Reading | undefined): number | undefined {
  return reading !== undefined && 'value' in reading ? reading.value : undefined;
}

/** Digits beyond these carry no meaning and would double the size of a batch. */
function roundTo(value: number, decimals: number): number {
  const scale = 10 ** decimals;
  const rounded = Math.round(value * scale) / scale;
  return Number.isFinite(rounded) ? rounded : value;
}

/** Downwards, so that no coverage passes a limit by rounding; a hair upwards first, because 0.8 may arrive as 0.7999999999999999. */
function floorTo(value: number, decimals: number): number {
  const scale = 10 ** decimals;
  return Math.min(1, Math.floor(value * scale + 1e-6) / scale);
}
