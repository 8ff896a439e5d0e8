/** The `couchestor` command. */
import { dispatch } from './dispatch.ts';
import { processOutput, quietOnBrokenPipe } from './terminal/output.ts';

const { stdout, stderr, env } = process;
quietOnBrokenPipe([stdout, stderr], (code) => process.exit(code));
process.exitCode = await dispatch({ argv: process.argv.slice(2), env, output: processOutput({ stdout, stderr, env }) });
