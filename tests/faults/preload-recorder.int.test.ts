/** Everything is recorded, or the recording is of no use: what a program did, done again from its recording, gives the same folder. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { undamagedState } from './power-loss.ts';
import { readRecording } from './recording.ts';
import { record } from './run-with-faults.ts';

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'couchestor-recorder-'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('Node, its threads and LMDB do nothing that is not recorded', async () => {
  const root = join(home, 'data', 'root');
  const log = join(home, 'log');
  mkdirSync(join(root, 'older'), { recursive: true });
  writeFileSync(join(root, 'older', 'file'), 'from before the recording');
  const program = fileURLToPath(new URL('many-ways.fixture.mjs', import.meta.url));
  const child = await record({ command: process.execPath, args: [program, root], root, log });
  expect((await once(child, 'exit'))[0]).toBe(0);
  const recording = readRecording(log);
  const kinds = new Set<string>(recording.events.map((event) => event.kind));
  const wanted = ['open', 'write', 'sync', 'truncate', 'rename', 'link', 'symlink', 'unlink', 'mkdir', 'rmdir', 'mapped'];
  expect(wanted.filter((kind) => !kinds.has(kind))).toEqual([]);
  // LMDB's commits are syncs of their own.
  expect(recording.events.some((event) => event.kind === 'write' && event.isDurable)).toBe(true);

  const again = join(home, 'again');
  undamagedState(recording, again);
  expect(contentsOf(again)).toEqual(contentsOf(root));
});

/** Of every path what is there. The lock file of LMDB is memory that processes share. */
function contentsOf(dir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(dir, name);
    const stats = lstatSync(path);
    if (stats.isDirectory()) {
      found[name] = 'a folder';
    } else if (stats.isSymbolicLink()) {
      found[name] = `a link to ${readlinkSync(path)}`;
    } else {
      found[name] = name.endsWith('lock.mdb') ? 'locks' : `${stats.size} bytes: ${digest(readFileSync(path))}`;
    }
  }
  return found;
}

function digest(bytes: Buffer): string {
  return bytes.length < 50 ? bytes.toString('latin1') : createHash('sha256').update(bytes).digest('hex');
}
