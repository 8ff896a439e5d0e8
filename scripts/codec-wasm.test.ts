import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { buildWasm, wasmPath, wasmToolchain } from './codec-wasm.ts';

it('the codec in WebAssembly that is checked in is what its source gives', async () => {
  const { env } = process;
  const install = env['COUCHESTOR_NO_INSTALL'] !== '1';
  const toolchain = await wasmToolchain({ env, install, log: (line) => void process.stderr.write(`clang: ${line}\n`) });
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  expect(hash(await buildWasm(toolchain, env))).toBe(hash(await readFile(wasmPath)));
});
