/** Run as a process by run-child.test.ts: `launch <mode>` stands for the launcher, `<mode>` for what it runs. */
import { fileURLToPath } from 'node:url';
import { runChild } from './run-child.mjs';

const [role, mode] = process.argv.slice(2);

if (role === 'launch') {
  process.exitCode = await runChild([fileURLToPath(import.meta.url), mode ?? ''], { env: process.env });
} else if (role === 'exit-7') {
  process.exitCode = 7;
} else {
  let signals = 0;
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => {
      signals += 1;
      process.stdout.write(`${signal} ${signals}\n`);
      if (role === 'end-on-signal') {
        process.exit(0);
      }
    });
  }
  setInterval(() => undefined, 60_000);
  process.stdout.write(`up ${process.pid}\n`);
}
