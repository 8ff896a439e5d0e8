/** The version of a server's program, asked of the program: this also shows that it loads. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type ServerName, serverCatalog } from './catalog.ts';
import { ServerError } from './errors.ts';

const versionTimeoutMs = 10_000;

/** Throws ServerError BROKEN where the program does not run or prints no version. */
export async function askVersion(name: ServerName, command: { path: string; env: Readonly<Record<string, string>> }): Promise<string> {
  const { versionFlag, versionPattern } = serverCatalog[name];
  let output: string;
  try {
    const { stdout, stderr } = await promisify(execFile)(command.path, [versionFlag], {
      env: { ...process.env, ...command.env },
      timeout: versionTimeoutMs,
    });
    output = `${stdout}\n${stderr}`;
  } catch (cause) {
    throw new ServerError('BROKEN', { server: name, path: command.path }, { cause });
  }
  const version = versionPattern.exec(output)?.[1];
  if (version === undefined) {
    throw new ServerError('BROKEN', { server: name, path: command.path, printed: output.trim().slice(0, 200) });
  }
  return version;
}
