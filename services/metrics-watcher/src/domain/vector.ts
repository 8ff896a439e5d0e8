/** From the series of one answer to one reading for each volume. What cannot be read is a problem with a reason, never a zero. */
import { volumeIdOfPvName } from '@couchestor/shared/mayastor/read';

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Prometheus' own text: a number, or NaN, +Inf, -Inf. */
  readonly value: string;
}

export type ProblemKind = 'no-label' | 'duplicate-series' | 'not-a-number' | 'infinite' | 'negative';

export type Reading = { readonly value: number } | { readonly problem: string };

export interface VectorReadings {
  readonly byVolume: ReadonlyMap<string, Reading>;
  /** How often each kind of problem was met, for the metric. */
  readonly problems: ReadonlyMap<ProblemKind, number>;
}

export interface VectorOptions {
  /** The label that names the volume: by its id, or by Mayastor's `pvc-<id>`. */
  readonly label: string;
  /** True where NaN means that there is nothing to tell, as for the mean latency of no operations. */
  readonly nanIsAbsent: boolean;
}

export function readVector(series: readonly Series[], { label, nanIsAbsent }: VectorOptions): VectorReadings {
  const byVolume = new Map<string, Reading>();
  const problems = new Map<ProblemKind, number>();
  const count = (kind: ProblemKind): void => {
    problems.set(kind, (problems.get(kind) ?? 0) + 1);
  };
  for (const { labels, value } of series) {
    const name = labels[label];
    if (name === undefined || name === '') {
      count('no-label');
      continue;
    }
    const volumeId = (volumeIdOfPvName(name) ?? name).toLowerCase();
    if (byVolume.has(volumeId)) {
      count('duplicate-series');
      byVolume.set(volumeId, { problem: 'Prometheus gave several series for this volume; the query must aggregate to one' });
      continue;
    }
    const number = numberOf(value);
    if (Number.isNaN(number) && value === 'NaN' && nanIsAbsent) {
      continue;
    }
    const kind = problemOfNumber(number);
    if (kind === undefined) {
      byVolume.set(volumeId, { value: number });
    } else {
      count(kind);
      byVolume.set(volumeId, { problem: `Prometheus gave "${value.slice(0, 40)}", which is ${inWords[kind]}` });
    }
  }
  return { byVolume, problems };
}

const inWords = { 'not-a-number': 'not a number', infinite: 'infinite', negative: 'negative' } as const;

function problemOfNumber(number: number): keyof typeof inWords | undefined {
  if (Number.isNaN(number)) {
    return 'not-a-number';
  }
  if (!Number.isFinite(number)) {
    return 'infinite';
  }
  return number < 0 ? 'negative' : undefined;
}

function numberOf(text: string): number {
  switch (text) {
    case '+Inf':
    case 'Inf':
      return Number.POSITIVE_INFINITY;
    case '-Inf':
      return Number.NEGATIVE_INFINITY;
    default:
      return text.trim() === '' ? Number.NaN : Number(text);
  }
}
