/**
 * A histogram that costs a few array accesses to count into: a vault measures every request and every call to a drive. It becomes text when
 * it is asked for.
 */
import type { Metric, Registry } from 'prom-client';

export interface LightHistogramInput<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  /** Upper bounds, rising. */
  readonly buckets: readonly number[];
  readonly registry: Registry;
}

interface Value {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly counts: Float64Array;
  sum: number;
}

export class LightHistogram<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly labelNames: readonly L[];
  readonly #buckets: readonly number[];
  readonly #series: Series[] = [];

  constructor(o: LightHistogramInput<L>) {
    this.name = o.name;
    this.help = o.help;
    this.labelNames = o.labelNames;
    this.#buckets = o.buckets;
    // Registries take whatever has a name and these methods; their types name the classes of prom-client alone.
    o.registry.registerMetric(this as unknown as Metric);
  }

  /** How to count into one series. To be kept by the caller: each call makes another one. */
  series(labels: Readonly<Record<L, string>>): (value: number) => void {
    const buckets = this.#buckets;
    const series: Series = { labels, counts: new Float64Array(buckets.length + 1), sum: 0 };
    this.#series.push(series);
    return (value) => {
      let bucket = 0;
      while (bucket < buckets.length && value > (buckets[bucket] as number)) {
        bucket += 1;
      }
      series.counts[bucket] = (series.counts[bucket] as number) + 1;
      series.sum += value;
    };
  }

  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Value[] }> {
    const values = this.#series.flatMap(({ labels, counts, sum }): Value[] => {
      let total = 0;
      const buckets = [...counts].map((count, index) => {
        total += count;
        return { metricName: `${this.name}_bucket`, labels: { le: this.#buckets[index] ?? '+Inf', ...labels }, value: total };
      });
      return [
        ...buckets,
        { metricName: `${this.name}_sum`, labels, value: sum },
        { metricName: `${this.name}_count`, labels, value: total },
      ];
    });
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values };
  }

  reset(): void {
    for (const series of this.#series) {
      series.counts.fill(0);
      series.sum = 0;
    }
  }
}
