/** The chance of a world: one generator for what is drawn up front, another one for what is drawn while it runs. */
import { nextFraction, type Random, seededRandom } from '@couchestor/mayastor-simulator/domain/random';

export class Dice {
  readonly #random: Random;

  constructor(seed: number, lane = 0) {
    this.#random = seededRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(lane + 1, 0x85ebca77)) >>> 0);
  }

  /** From 0 (included) to 1 (excluded). */
  fraction(): number {
    return nextFraction(this.#random);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** A whole number of this range, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  one<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.fraction() * items.length)];
    if (item === undefined) {
      throw new TypeError('nothing to draw from');
    }
    return item;
  }

  /** Keys by their weights. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) {
        return key;
      }
    }
    return (entries.at(-1) as [K, number])[0];
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, key: this.fraction() }))
      .sort((left, right) => left.key - right.key)
      .map(({ item }) => item);
  }
}
