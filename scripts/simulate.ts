/**
 * `npm run simulate -- --seed N` runs one world and prints its trace. `npm run simulate -- --seeds 10000 [--from N]` runs many in several
 * processes. A world that breaks a rule is made smaller and printed; then the exit code is 1.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endings } from '@couchestor/migrator/domain/endings';
import { sightKinds } from '@couchestor/migrator/domain/sight';
import { moveSteps } from '@couchestor/shared/contracts/migration';
import { defineOptions, readOptions } from '@couchestor/shared/options';
import { drawPlan } from '../tests/sim/seeds/plan.ts';
import { addResult, noResult, runSeed, type SeedsResult } from '../tests/sim/seeds/run-seeds.ts';
import { ruleOf, shrinkPlan } from '../tests/sim/seeds/shrink.ts';
import { runWorld } from '../tests/sim/seeds/world.ts';

const seedsPerReport = 20;
const progressMs = 5_000;
const shrunkMax = 5;
/** As many worlds must between them reach every step and every kind of sight. */
const seedsThatReachAll = 2_000;

const options = defineOptions({
  seed: {
    flag: 'seed',
    env: 'SIMULATE_SEED',
    kind: 'integer',
    min: 0,
    max: 0xffff_ffff,
    optional: true,
    description: 'One world, with its trace.',
  },
  seeds: {
    flag: 'seeds',
    env: 'SIMULATE_SEEDS',
    kind: 'integer',
    min: 1,
    max: 100_000_000,
    default: 1_000,
    description: 'How many worlds.',
  },
  from: { flag: 'from', env: 'SIMULATE_FROM', kind: 'integer', min: 0, max: 0xffff_ffff, default: 1, description: 'The first seed.' },
  processes: {
    flag: 'processes',
    env: 'SIMULATE_PROCESSES',
    kind: 'integer',
    min: 1,
    max: 64,
    default: 2,
    description: 'How many processes run them.',
  },
  noShrink: { flag: 'no-shrink', env: 'SIMULATE_NO_SHRINK', kind: 'boolean', description: 'Leave a failing world as it is.' },
});

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

if (process.send !== undefined && process.argv[2] === 'worker') {
  await work(Number(process.argv[3]), Number(process.argv[4]), Number(process.argv[5]));
} else {
  const { values } = readOptions(options, { argv: process.argv.slice(2), env: process.env, refuseWords: true });
  process.exitCode =
    values.seed === undefined ? await runMany({ ...values, shrink: !values.noShrink }) : await replay(values.seed, !values.noShrink);
}

async function replay(seed: number, shrink: boolean): Promise<number> {
  const { trace, violations, counts } = await runWorld(drawPlan(seed), { traced: true });
  trace.forEach(tell);
  tell(`\nseed ${seed}: ${JSON.stringify(counts)}`);
  if (violations.length === 0) {
    tell(`seed ${seed}: no rule was broken`);
    return 0;
  }
  violations.forEach(tell);
  await tellShrunk(seed, violations, shrink);
  return 1;
}

async function runMany(o: { seeds: number; from: number; processes: number; shrink: boolean }): Promise<number> {
  const startedAtMs = performance.now();
  const sum = noResult();
  const said = (): string =>
    `${sum.worlds} of ${o.seeds} worlds, ${sum.failures.length} failing, ${Math.round((performance.now() - startedAtMs) / 1_000)} s`;
  const progress = setInterval(() => tell(said()), progressMs);
  const workers = Array.from({ length: o.processes }, (_, index) => startWorker({ ...o, index, sum }));
  const codes = await Promise.all(workers);
  clearInterval(progress);
  const unreached = summarize(sum);
  tell(said());
  for (const { seed, violations } of sum.failures.sort((left, right) => left.seed - right.seed).slice(0, shrunkMax)) {
    tell(`\nseed ${seed}`);
    violations.forEach((violation) => tell(`  ${violation}`));
    await tellShrunk(seed, violations, o.shrink);
  }
  for (const { seed } of sum.failures.slice(shrunkMax)) {
    tell(`seed ${seed} fails too: npm run simulate -- --seed ${seed}`);
  }
  const whole = codes.every((code) => code === 0) && sum.worlds === o.seeds && (o.seeds < seedsThatReachAll || unreached.length === 0);
  return sum.failures.length === 0 && whole ? 0 : 1;
}

function startWorker(o: { seeds: number; from: number; processes: number; index: number; sum: SeedsResult }): Promise<number> {
  const count = Math.floor((o.seeds - o.index + o.processes - 1) / o.processes);
  const words = ['worker', String(o.from + o.index), String(o.processes), String(count)];
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), words, { execArgv: process.execArgv });
  child.on('message', (result: SeedsResult) => addResult(o.sum, result));
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}

async function work(from: number, step: number, count: number): Promise<void> {
  let sum = noResult();
  for (let done = 0; done < count; done += 1) {
    addResult(sum, await runSeed(from + done * step));
    if (sum.worlds === seedsPerReport || done === count - 1) {
      process.send?.(sum);
      sum = noResult();
    }
  }
  process.disconnect();
}

async function tellShrunk(seed: number, violations: readonly string[], shrink: boolean): Promise<void> {
  const plan = drawPlan(seed);
  const rules = new Set(violations.map(ruleOf));
  const { events } = shrink ? await shrinkPlan(plan, rules) : plan;
  tell(`seed ${seed}: ${plan.events.length} events, of which these are needed:`);
  events.forEach((event) => tell(`  ${JSON.stringify(event)}`));
  tell(`again, with its trace: npm run simulate -- --seed ${seed}`);
}

/** Tells the counts. Returns the steps and kinds of sight that no world reached. */
function summarize({ counts, steps, sights, endings: seen }: SeedsResult): string[] {
  for (const [what, count] of Object.entries(counts).sort(([left], [right]) => (left < right ? -1 : 1))) {
    tell(`${String(count).padStart(9)}  ${what}`);
  }
  const missing = (all: readonly string[], found: readonly string[]): string[] => all.filter((one) => !found.includes(one));
  const said = (names: readonly string[]): string => names.join(', ') || 'none';
  const unreached = { steps: missing(moveSteps, steps), sights: missing(sightKinds, sights) };
  tell(`steps not reached: ${said(unreached.steps)}`);
  tell(`kinds of sight not seen: ${said(unreached.sights)}`);
  tell(`endings not seen: ${said(missing(Object.keys(endings), seen))}`);
  return [...unreached.steps, ...unreached.sights];
}
