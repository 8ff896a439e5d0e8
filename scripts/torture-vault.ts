/** `npm run torture:vault -- --kills 200 --power-loss 500 [--seed N] [--json]`: the long forms of tests/torture/vault. Ends with 1 where anything was lost. */
import { ConfigError, defineOptions, readOptions } from '@couchestor/shared/options';
import { runKills } from '../tests/torture/vault/run-kills.ts';
import { runPowerLoss } from '../tests/torture/vault/run-power-loss.ts';

const killsPerVault = 25;
const statesPerRecording = 50;
const operationsPerRecording = 400;

const options = defineOptions({
  kills: { flag: 'kills', env: 'TORTURE_KILLS', kind: 'integer', min: 0, max: 100_000, default: 0, description: 'How many kills.' },
  powerLoss: {
    flag: 'power-loss',
    env: 'TORTURE_POWER_LOSS',
    kind: 'integer',
    min: 0,
    max: 1_000_000,
    default: 0,
    description: 'How many states after a loss of power.',
  },
  json: { flag: 'json', env: 'TORTURE_JSON', kind: 'boolean', description: 'The result as JSON on the standard output.' },
  seed: {
    flag: 'seed',
    env: 'TORTURE_SEED',
    kind: 'integer',
    min: 0,
    max: 0x3f_ffff,
    default: 1,
    description: 'Of what is left to chance.',
  },
});
const values = readValues();
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
if (values.kills + values.powerLoss === 0) {
  tell('torture:vault: say how much with --kills and --power-loss');
  process.exit(2);
}
const { kills, powerLoss, seed } = values;
const results = {
  ...(kills > 0 && { kills: await runKills({ kills, seed, killsPerVault, tell }) }),
  ...(powerLoss > 0 && {
    powerLoss: await runPowerLoss({ states: powerLoss, seed, statesPerRecording, operations: operationsPerRecording, tell }),
  }),
};
for (const [what, { violations, ...figures }] of Object.entries(results)) {
  tell(`${what}: ${violations.length} violations; ${JSON.stringify(figures)}`);
  for (const violation of violations) {
    tell(`VIOLATION: ${violation}`);
  }
}
if (values.json) {
  process.stdout.write(`${JSON.stringify(results)}\n`);
}
process.exitCode = Object.values(results).every(({ violations }) => violations.length === 0) ? 0 : 1;

function readValues() {
  try {
    return readOptions(options, { argv: process.argv.slice(2), env: process.env, refuseWords: true }).values;
  } catch (error) {
    if (!ConfigError.is(error, 'INVALID')) {
      throw error;
    }
    process.stderr.write(`torture:vault: ${error.help}\n${error.facts['problems']}\n`);
    process.exit(2);
  }
}
