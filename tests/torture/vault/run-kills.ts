/**
 * Kills the process of a vault, over and over: while it works, while it opens, while it rebuilds; takes drives away, empties and corrupts them
 * while it is down; and sees each time that it comes back with everything that was acknowledged, and nothing that was not asked for.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flipBits } from '../../faults/flip-bits.ts';
import { randomOf } from '../random.ts';
import { ExpectedVault, type Leniency } from './expected-vault.ts';
import type { Life } from './life.ts';
import { type Death, type Ended, live, StoryReader } from './process-under-test.ts';
import { type Found, foundSchema, type Line } from './story.ts';
import { type Code, drivePath } from './vault-under-test.ts';

export interface KillsInput {
  readonly kills: number;
  readonly seed: number;
  /** A new vault is begun after so many. */
  readonly killsPerVault: number;
  readonly tell: (line: string) => void;
}

export interface KillsResult {
  readonly seed: number;
  readonly kills: number;
  readonly seconds: number;
  readonly vaults: number;
  readonly reindexes: number;
  readonly killsBy: Readonly<Record<string, number>>;
  readonly operations: number;
  readonly acknowledged: number;
  readonly unitsRead: number;
  /** Everything that must not be. Empty: all is well. */
  readonly violations: readonly string[];
}

const drives = 6;
const volumeUnits = 8 * 1024;
const idsPerLife = 1_000_000;
/** A life takes seconds; on a machine that is busy with much else, many of them. */
const lifeLimitMs = 180_000;
const healingPauseMsMax = 1_000;
const codes: readonly Code[] = [
  { dataShards: 3, parityShards: 2 },
  { dataShards: 4, parityShards: 2 },
  { dataShards: 2, parityShards: 2 },
];

export async function runKills(input: KillsInput): Promise<KillsResult> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'couchestor-vault-kills-'));
  input.tell(`torture:vault: seed ${input.seed}, folder ${folder}`);
  const total = { kills: 0, vaults: 0, reindexes: 0, operations: 0, acknowledged: 0, unitsRead: 0 };
  const killsBy: Record<string, number> = {};
  const violations: string[] = [];
  while (total.kills < input.kills && violations.length === 0) {
    const root = join(folder, `vault-${total.vaults}`);
    const code = codes[total.vaults % codes.length] as Code;
    // What a drive has lost by corruption makes some of an index that is made anew guesswork: half the vaults are free of it.
    const corrupts = total.vaults % 2 === 1 || input.kills <= input.killsPerVault;
    const run = new KillRun({ ...input, root, seed: input.seed * 1000 + total.vaults, code, corrupts });
    total.vaults += 1;
    violations.push(...(await run.run(Math.min(input.killsPerVault, input.kills - total.kills), total.kills)));
    total.kills += run.kills;
    total.reindexes += run.reindexes;
    total.operations += run.expected.counts.begun;
    total.acknowledged += run.expected.counts.done;
    total.unitsRead += run.expected.counts.unitsRead;
    for (const [kind, count] of Object.entries(run.killsBy)) {
      killsBy[kind] = (killsBy[kind] ?? 0) + count;
    }
    if (violations.length === 0) {
      rmSync(root, { recursive: true });
    }
  }
  if (violations.length === 0) {
    await rm(folder, { recursive: true, force: true });
  } else {
    input.tell(`torture:vault: the vault is kept in ${folder}`);
  }
  return { seed: input.seed, ...total, seconds: Math.round((performance.now() - startedMs) / 1_000), killsBy, violations };
}

/** What is wrong with a drive. Until it is told that all is healed, it counts against the parity. */
type Damage = 'away' | 'empty' | 'corrupt' | 'failed' | 'healing';

class KillRun {
  readonly expected = new ExpectedVault();
  readonly killsBy: Record<string, number> = {};
  kills = 0;
  reindexes = 0;
  readonly #o: KillsInput & { root: string; code: Code; corrupts: boolean };
  readonly #random: () => number;
  readonly #reader: StoryReader;
  readonly #keys = new Set<string>();
  readonly #damage = new Map<number, Damage>();
  readonly #paths: string[];
  #replacement: { number: number; path: string } | undefined;
  /** Since then, drives hold what cannot be read. */
  #wasCorrupt = false;
  #life = 0;

  constructor(o: KillsInput & { root: string; code: Code; corrupts: boolean }) {
    this.#o = o;
    this.#random = randomOf(o.seed);
    mkdirSync(o.root, { recursive: true });
    this.#reader = new StoryReader(join(o.root, 'acks'));
    this.#paths = Array.from({ length: drives }, (_, index) => drivePath(o.root, index + 1));
  }

  async run(kills: number, before: number): Promise<string[]> {
    while (this.kills < kills) {
      const plan = this.#plan();
      const { life, death, kind } = plan;
      const ended = await live(life, this.#reader, { death, limitMs: lifeLimitMs });
      const violations = this.#judge(life, ended, {});
      if (!ended.wasKilled) {
        violations.push(`the process ended by itself, or came to nothing in time, with ${ended.code}: ${ended.complaints}`);
      }
      this.kills += 1;
      this.killsBy[kind] = (this.killsBy[kind] ?? 0) + 1;
      const { begun, done } = this.expected.counts;
      this.#o.tell(
        `kill ${before + this.kills}/${this.#o.kills} ${kind}, ${death.delayMs} ms after ${death.after}: ` +
          `${this.#o.code.dataShards}+${this.#o.code.parityShards}, ${done} of ${begun} operations acknowledged, damage ${this.#damageText()}`,
      );
      if (violations.length > 0) {
        return violations.map((text) => `vault ${this.#o.root}, life ${this.#life} (${kind}): ${text}`);
      }
    }
    return await this.#end();
  }

  /** A last look, and one more at an index that was made anew. */
  async #end(): Promise<string[]> {
    this.#bringBack();
    for (const reindex of [false, true]) {
      const life = { ...this.#nextLife(), isLast: true, reindex };
      const ended = await live(life, this.#reader, { limitMs: lifeLimitMs });
      const violations = this.#judge(life, ended, { isReindexed: reindex, mayBeLost: reindex && this.#wasCorrupt });
      if (ended.code !== 0 || ended.wasKilled) {
        violations.push(`the last process ended with ${ended.code}: ${ended.complaints}`);
      }
      if (violations.length > 0) {
        return violations.map((text) => `vault ${this.#o.root}, ${reindex ? 'index made anew' : 'last look'}: ${text}`);
      }
      this.reindexes += reindex ? 1 : 0;
    }
    return [];
  }

  #plan(): { life: Life; death: Death; kind: string } {
    const dice = this.#random();
    const isFirst = this.#life === 0;
    let kind = 'at work';
    let life = this.#nextLife();
    if (!isFirst && dice < 0.25) {
      kind = 'opening';
    } else if (!isFirst && dice < 0.75) {
      kind = this.#damageSomething() ?? kind;
      const failed = [...this.#damage].find(([, what]) => what === 'failed');
      if (kind === 'drive failed' && failed !== undefined) {
        life = { ...life, fail: failed[0] };
      }
    }
    const isWhole = [...this.#damage.values()].every((what) => what === 'healing' || what === 'corrupt');
    const heals = this.#damage.size > 0 && isWhole;
    const waits = heals && this.#random() < 0.5;
    life = { ...life, heals, replace: this.#replacement, ...(waits && { writers: 2, pauseMsMax: healingPauseMsMax }) };
    return { life, death: this.#death(kind, waits), kind };
  }

  #death(kind: string, waits: boolean): Death {
    if (kind === 'opening') {
      return { after: 'born', delayMs: Math.floor(this.#random() * 400) };
    }
    if (waits) {
      return { after: 'healed', delayMs: Math.floor(this.#random() * 200) };
    }
    return { after: 'seen', delayMs: 20 + Math.floor(this.#random() * this.#random() * 1_500) };
  }

  #nextLife(): Life {
    this.#life += 1;
    return {
      root: this.#o.root,
      acks: join(this.#o.root, 'acks'),
      code: this.#o.code,
      drives: [...this.#paths],
      seed: (this.#o.seed * 7919 + this.#life) >>> 0,
      firstId: this.#life * idsPerLife,
      volumeUnits,
      writers: 6,
      pauseMsMax: 0,
      dump: join(this.#o.root, `seen-${this.#life}.json`),
      keys: [...this.#keys],
      operations: undefined,
      isLast: false,
      reindex: false,
      fail: undefined,
      replace: undefined,
      heals: false,
    };
  }

  /** Never more at a time than the parity makes good. Undefined where nothing was done. */
  #damageSomething(): string | undefined {
    const away = [...this.#damage].filter(([, what]) => what === 'away' || what === 'empty');
    if (away.length > 0 && this.#random() < 0.6) {
      this.#bringBack();
      return 'drive back';
    }
    const sound = Array.from({ length: drives }, (_, index) => index + 1).filter((number) => !this.#damage.has(number));
    const number = sound[Math.floor(this.#random() * sound.length)];
    if (this.#damage.size >= this.#o.code.parityShards || number === undefined) {
      return undefined;
    }
    const kinds = this.#o.corrupts ? (['away', 'empty', 'corrupt', 'corrupt'] as const) : (['away', 'away', 'empty'] as const);
    const what = kinds[Math.floor(this.#random() * kinds.length)] ?? 'away';
    const path = this.#paths[number - 1] ?? '';
    this.#damage.set(number, what);
    if (what === 'corrupt') {
      this.#wasCorrupt = true;
      this.#corrupt(path);
      return 'drive corrupt';
    }
    renameSync(path, `${path}.away`);
    if (what === 'empty') {
      mkdirSync(path);
      return 'drive emptied';
    }
    return 'drive away';
  }

  #bringBack(): void {
    for (const [number, what] of this.#damage) {
      const path = this.#paths[number - 1] ?? '';
      if (what === 'away' || what === 'empty') {
        rmSync(path, { recursive: true, force: true });
        renameSync(`${path}.away`, path);
        this.#damage.set(number, 'healing');
      }
    }
  }

  /** Some bits in each file of the drive's segments and of its copy of the journal. */
  #corrupt(path: string): void {
    for (const folder of [join(path, 'segments'), join(path, 'journal')]) {
      const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.seg') || name.endsWith('.wal')) : [];
      for (const name of names) {
        try {
          flipBits(join(folder, name), this.#random, 1 + Math.floor(this.#random() * 40));
        } catch (error) {
          if (!(error instanceof RangeError)) {
            throw error;
          }
        }
      }
    }
  }

  #judge(life: Life, ended: Ended, o: Leniency): string[] {
    const violations: string[] = [];
    for (const line of ended.lines) {
      violations.push(...this.#hear(line, life, o));
    }
    this.expected.died();
    return violations;
  }

  #hear(line: Line, life: Life, o: Leniency): string[] {
    if (line.is === 'begun' && line.operation.do === 'put') {
      this.#keys.add(line.operation.key);
    } else if (line.is === 'healed') {
      this.#damage.clear();
    } else if (line.is === 'seen') {
      const found: Found = foundSchema.parse(JSON.parse(readFileSync(line.path, 'utf8')));
      rmSync(line.path);
      return this.expected.check(found, o);
    }
    return life.root === this.#o.root ? this.expected.take(line) : [];
  }

  #damageText(): string {
    return [...this.#damage].map(([number, what]) => `${number} ${what}`).join(', ') || 'none';
  }
}
