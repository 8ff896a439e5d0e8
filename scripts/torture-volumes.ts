/** `npm run torture:volumes -- --minutes 10 [--seed N]`: the long form of tests/e2e/ec-torture.test.ts. Ends with 1 where a byte was wrong. */
import { ConfigError, defineOptions, readOptions } from '@couchestor/shared/options';
import { tortureVolumes } from '../tests/e2e/ec/torture-volumes.ts';

const holdMs = 4_000;

const options = defineOptions({
  minutes: { flag: 'minutes', env: 'TORTURE_MINUTES', kind: 'integer', min: 1, max: 10_000, default: 10, description: 'How long.' },
  seed: {
    flag: 'seed',
    env: 'TORTURE_SEED',
    kind: 'integer',
    min: 0,
    max: 1_000_000,
    default: 1,
    description: 'Of what is left to chance.',
  },
});
const { minutes, seed } = readValues();
const beganMs = performance.now();
const tell = (line: string): void => {
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${line}\n`);
};
const result = await tortureVolumes({ seed, forMs: minutes * 60_000, holdMs, tell });
process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`);
process.exitCode = result.violations.length === 0 ? 0 : 1;

function readValues() {
  try {
    return readOptions(options, { argv: process.argv.slice(2), env: process.env, refuseWords: true }).values;
  } catch (error) {
    if (!ConfigError.is(error, 'INVALID')) {
      throw error;
    }
    process.stderr.write(`torture:volumes: ${error.help}\n${error.facts['problems']}\n`);
    process.exit(2);
  }
}
