/**
 * Who a process is. A pid alone may have been given to another process since it was noted, so nothing is ever signalled by pid alone: the
 * command line and the time of start must be those that were noted.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export const processIdentitySchema = z.strictObject({ pid: z.int().positive(), startedAt: z.string(), commandLine: z.string() });
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

/** Undefined where no such process runs, or where it has ended and is only waited for. */
export function identify(pid: number): ProcessIdentity | undefined {
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

export function isRunning(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startedAt === identity.startedAt && now.commandLine === identity.commandLine;
}

function fromProc(pid: number): ProcessIdentity | undefined {
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    // The second field, the name in parentheses, may hold spaces; the start time is the 22nd field, the 20th after the name.
    const startedAt =
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19] ?? '';
    return commandLine === '' ? undefined : { pid, startedAt, commandLine };
  } catch {
    return undefined;
  }
}

function fromPs(pid: number): ProcessIdentity | undefined {
  try {
    const ask = (field: string): string => execFileSync('ps', ['-ww', '-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
    const commandLine = ask('command');
    return commandLine === '' ? undefined : { pid, startedAt: ask('lstart'), commandLine };
  } catch {
    return undefined;
  }
}
