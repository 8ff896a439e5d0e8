import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** COUCHESTOR_CRASHES asks for a longer run. */
const crashes = Number(process.env['COUCHESTOR_CRASHES'] ?? 20);
const seed = Number(process.env['COUCHESTOR_SEED'] ?? Math.floor(Math.random() * 30_000));
let dir: string;

/** Built like an image: the thread is a file beside the program. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'journal-crash-'));
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const { buildSync } = createRequire(tsx)('esbuild') as { buildSync(o: object): void };
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  buildSync({
    entryPoints: { writer: path('./crash-writer.fixture.ts'), 'copy-thread': path('./copy-thread.ts') },
    outdir: dir,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
  });
  await writeFile(join(dir, 'package.json'), '{"type":"module"}');
});
afterAll(async () => await rm(dir, { recursive: true, force: true }));

interface Written {
  readonly id: number;
  readonly kind: string;
  readonly first: number;
  readonly count: number;
  readonly upTo: number;
}
type Blocks = Map<number, { lsn: number; stamp: string }>;

/** One life of the writer; killed `lifeMs` after it has opened. */
async function live(args: readonly string[], lifeMs: number | undefined): Promise<string[]> {
  const child = spawn(process.execPath, [join(dir, 'writer.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, complaints, isArmed] = ['', '', lifeMs === undefined];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (!isArmed && said.includes('OPEN')) {
      isArmed = true;
      setTimeout(() => child.kill('SIGKILL'), lifeMs);
    }
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(complaints).toBe('');
  // The kill may cut a line short.
  return said.split('\n').slice(0, -1);
}

function apply(blocks: Blocks, done: Written, lsn: number): void {
  for (let block = done.first; block < done.first + done.count; block += 1) {
    if (done.kind !== 'mapped') {
      blocks.set(block, { lsn, stamp: done.kind === 'zero' ? 'zero' : String(done.id) });
    } else if ((blocks.get(block)?.lsn ?? Number.POSITIVE_INFINITY) <= done.upTo) {
      blocks.delete(block);
    }
  }
}

function stampsOf(blocks: Blocks): string {
  return [...blocks]
    .sort(([a], [b]) => a - b)
    .map(([block, { stamp }]) => `${block}:${stamp}`)
    .join(' ');
}

/** What the journal may hold after this life: all that was acknowledged, and the first so many of what was not. */
function outcomes(lines: readonly string[]): { applied: number; allowed: string[]; acked: number } {
  const blocks: Blocks = new Map();
  const started: Written[] = [];
  const lsns = new Map<number, number>();
  let [applied, lastLsn] = [0, 0];
  for (const line of lines) {
    const [what, ...words] = line.split(' ');
    const [a = 0, b = 0] = words.map(Number);
    if (what === 'HAS') {
      blocks.set(a, { lsn: b, stamp: words[2] ?? '' });
    } else if (what === 'DO') {
      const [first = 0, count = 0, upTo = 0] = words.slice(2).map(Number);
      started.push({ id: a, kind: words[1] ?? '', first, count, upTo });
    } else if (what === 'DONE') {
      lsns.set(a, b);
      lastLsn = Math.max(lastLsn, b);
    } else if (what === 'RELEASE') {
      applied = Math.max(applied, a);
    }
  }
  const acked = started.findLastIndex((each) => lsns.has(each.id)) + 1;
  const snapshot = () => stampsOf(new Map([...blocks].filter(([, { lsn }]) => lsn > applied)));
  const allowed: string[] = [];
  for (const [index, each] of started.entries()) {
    if (index === acked) {
      allowed.push(snapshot());
    }
    // Acknowledged in order, so what is not known to be is later than all that is.
    lastLsn = index < acked ? lastLsn : lastLsn + 1;
    apply(blocks, each, lsns.get(each.id) ?? lastLsn);
    if (index >= acked) {
      allowed.push(snapshot());
    }
  }
  return { applied, allowed: allowed.length === 0 ? [snapshot()] : allowed, acked };
}

test.each([1, 2])('after a kill at any moment %i copies hold all that was acknowledged, in order, and nothing invented', async (copies) => {
  const dirs = Array.from({ length: copies }, (_, copy) => join(dir, `${copies}-${copy}`)).join();
  let expected: { applied: number; allowed: string[] } = { applied: 0, allowed: [''] };
  let appliedLsn = 0;
  let acked = 0;
  for (let life = 0; life <= crashes / 2; life += 1) {
    const isLast = life === Math.ceil(crashes / 2);
    const lifeSeed = seed + life;
    const lines = await live(
      [dirs, String(appliedLsn), String(lifeSeed), isLast ? 'read' : 'write'],
      isLast ? undefined : 5 + ((lifeSeed * 7919) % 120),
    );
    const found = lines.filter((line) => line.startsWith('HAS')).map((line) => line.split(' '));
    const stamps = found.map(([, block, , stamp]) => `${block}:${stamp}`).join(' ');
    expect(expected.allowed, `seed ${seed}, life ${life}`).toContain(stamps);
    expected = outcomes(lines);
    acked += 'acked' in expected ? Number(expected.acked) : 0;
    appliedLsn = Math.max(appliedLsn, expected.applied);
  }
  expect(acked).toBeGreaterThan(crashes);
});
