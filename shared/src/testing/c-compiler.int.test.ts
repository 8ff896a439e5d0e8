import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CCompiler, cCompiler } from './c-compiler.ts';

const run = promisify(execFile);
const log = () => undefined;
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'couchestor-compiler-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** Builds a program against the C library and runs it. */
async function answerOf(compiler: CCompiler): Promise<string> {
  const [source, program] = [join(dir, 'program.c'), join(dir, 'program')];
  await writeFile(source, '#include <stdio.h>\nint main(void) { return printf("%d", 6 * 7) < 0; }\n');
  await run(compiler.path, [...compiler.args, source, '-o', program], { env: compiler.env });
  return (await run(program)).stdout;
}

describe('the C compiler', () => {
  it('is the one on PATH where that compiles, and builds programs', async () => {
    expect(await answerOf(await cCompiler(process.env))).toBe('42');
  });

  it('is passed over where it does not compile', async () => {
    const real = await cCompiler(process.env);
    await writeFile(join(dir, 'gcc'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const words = [real.path, ...real.args].map((word) => `'${word}'`).join(' ');
    await writeFile(join(dir, 'cc'), `#!/bin/sh\nPATH='${real.env['PATH']}' exec ${words} "$@"\n`, { mode: 0o755 });
    const compiler = await cCompiler({ ...real.env, CC: '', PATH: [dir, real.env['PATH']].join(delimiter) }, { install: false, log });
    expect(compiler).toMatchObject({ path: 'cc', args: [] });
    expect(await answerOf(compiler)).toBe('42');
  });

  it('comes from Debian packages where there is none, and builds programs', { timeout: 240_000 }, async () => {
    const bare = { ...process.env, CC: '', PATH: dir };
    const compiler = await cCompiler(bare);
    expect(compiler.path).toContain('couchestor');
    expect(await answerOf(compiler)).toBe('42');
  });

  it('is asked for where it may not be fetched', async () => {
    const bare = { PATH: dir, XDG_CACHE_HOME: dir };
    await expect(cCompiler(bare, { install: false, log })).rejects.toMatchObject({
      code: 'SERVER_NOT_FOUND',
      facts: { install: 'apt-get install gcc libc6-dev' },
    });
  });
});
