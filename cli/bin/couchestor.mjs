#!/usr/bin/env node
/** The `couchestor` command: from source in a checkout, from `dist` in an image. */
import { existsSync } from 'node:fs';

const launcher = new URL('../../scripts/launch.mjs', import.meta.url);
const source = new URL('../src/main.ts', import.meta.url);

if (existsSync(source) && existsSync(launcher)) {
  const { launch } = await import(launcher.href);
  process.exitCode = await launch(process.argv.slice(2), process.env);
} else {
  await import(new URL('../dist/main.js', import.meta.url).href);
}
