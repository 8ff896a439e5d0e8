/** A copy of the source in which it may be broken: the checkout itself is never touched, and may be edited meanwhile. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const workspaceScope = '@couchestor';

export class Tree {
  readonly root: string;

  constructor(checkout: string) {
    this.root = mkdtempSync(join(tmpdir(), 'couchestor-mutants-'));
    const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: checkout, encoding: 'utf8' });
    for (const path of list.split('\0').filter((name) => name !== '' && existsSync(join(checkout, name)))) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      cpSync(join(checkout, path), join(this.root, path));
    }
    linkModules(join(checkout, 'node_modules'), join(this.root, 'node_modules'));
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.root, path), text);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Every package by a link, but the workspace's own: those must be the copies. */
function linkModules(from: string, to: string): void {
  mkdirSync(join(to, workspaceScope), { recursive: true });
  for (const name of readdirSync(from).filter((entry) => !entry.startsWith('.') && entry !== workspaceScope)) {
    symlinkSync(join(from, name), join(to, name));
  }
  for (const name of readdirSync(join(from, workspaceScope))) {
    symlinkSync(readlinkSync(join(from, workspaceScope, name)), join(to, workspaceScope, name));
  }
}
