/** `npm run torture -- --kills 200 [--seed N]`: the long form of tests/torture. Ends with 1 where anything was lost or left behind. */
import { ConfigError, defineOptions, readOptions } from '@couchestor/shared/options';
import { provisionServer } from '@couchestor/shared/servers/provision';
import { KillPlan } from '../tests/torture/kill-plan.ts';
import { runTorture } from '../tests/torture/run-torture.ts';

/** Three seconds on two idle cores, several times that where others are at work. */
const msPerKill = 12_000;
const warmUpMs = 120_000;

const options = defineOptions({
  kills: { flag: 'kills', env: 'TORTURE_KILLS', kind: 'integer', min: 12, max: 100_000, default: 200, description: 'How many kills.' },
  seed: {
    flag: 'seed',
    env: 'TORTURE_SEED',
    kind: 'integer',
    min: 0,
    max: 0xffff_ffff,
    default: 1,
    description: 'Of what is left to chance.',
  },
  short: { flag: 'short', env: 'TORTURE_SHORT', kind: 'boolean', description: 'The plan of `npm test`: each step once.' },
});
const values = readValues();
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
for (const name of ['nats-server', 'redis-server', 'prometheus'] as const) {
  await provisionServer(name, { install: process.env['COUCHESTOR_NO_INSTALL'] !== '1', log: tell });
}
const plan = values.short ? KillPlan.short() : KillPlan.long(values.kills);
const result = await runTorture({
  plan,
  seed: values.seed,
  killsOfOneMove: 5,
  movesAtATime: values.short ? 3 : 5,
  limitMs: warmUpMs + values.kills * msPerKill,
  tell,
});
tell(`\n${plan.table()}\n`);
for (const violation of result.violations) {
  tell(`VIOLATION: ${violation}`);
}
process.stdout.write(`${JSON.stringify({ seed: values.seed, ...result, killsPerStep: plan.perStep() })}\n`);
process.exitCode = result.violations.length === 0 ? 0 : 1;

function readValues() {
  try {
    return readOptions(options, { argv: process.argv.slice(2), env: process.env, refuseWords: true }).values;
  } catch (error) {
    if (!ConfigError.is(error, 'INVALID')) {
      throw error;
    }
    process.stderr.write(`torture: ${error.help}\n${error.facts['problems']}\n`);
    process.exit(2);
  }
}
