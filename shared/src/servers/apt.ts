/**
 * Debian packages without root: apt resolves and downloads (and checks signatures), dpkg-deb unpacks into a folder of ours. Nothing is
 * installed, no maintainer script runs, no system file is written.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ServerError } from './errors.ts';

const run = promisify(execFile);
const outputBytesMax = 16 * 1024 * 1024;
const systemLists = '/var/lib/apt/lists';

interface AptPlace {
  /** Where apt may keep its own files. */
  readonly aptDir: string;
  readonly log: (line: string) => void;
}

/** True where apt-get and dpkg-deb can be run. */
export async function hasApt(): Promise<boolean> {
  const answers = await Promise.allSettled([run('apt-get', ['--version']), run('dpkg-deb', ['--version'])]);
  return answers.every((answer) => answer.status === 'fulfilled');
}

/**
 * Unpacks `packages`, and the libraries they need that this system lacks, into `targetDir`. Uses the system's package lists, and lists of our
 * own where those are empty or too old to be of use. Returns `name=version` of all that was unpacked.
 */
export async function unpackPackages(packages: readonly string[], o: AptPlace & { targetDir: string }): Promise<string[]> {
  await mkdir(join(o.aptDir, 'cache', 'archives', 'partial'), { recursive: true });
  if (await hasLists(systemLists)) {
    try {
      return await downloadAndUnpack(packages, o, []);
    } catch (error) {
      o.log(`the system's package lists did not serve (${firstLine(error)}); fetching lists of our own`);
    }
  }
  const lists = join(o.aptDir, 'lists');
  await mkdir(join(lists, 'partial'), { recursive: true });
  const options = ['-o', `Dir::State::lists=${lists}`];
  o.log('fetching package lists');
  try {
    await aptGet(['update'], o, options);
  } catch (error) {
    // One unreachable third-party source fails the whole update; what is needed may have come nevertheless.
    o.log(`not all package lists could be fetched: ${firstLine(error)}`);
  }
  return await downloadAndUnpack(packages, o, options);
}

async function downloadAndUnpack(
  packages: readonly string[],
  o: AptPlace & { targetDir: string },
  options: readonly string[],
): Promise<string[]> {
  const wanted = await resolveMissing(packages, o, options);
  const downloadDir = join(o.targetDir, '.download');
  await mkdir(downloadDir, { recursive: true });
  o.log(`downloading ${wanted.join(' ')}`);
  await aptGet(['download', ...wanted], o, options, downloadDir);
  for (const file of (await readdir(downloadDir)).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(downloadDir, file), o.targetDir]);
  }
  return wanted;
}

/** What an installation would add to this system, in the versions that fit each other, less what only an installation needs. */
async function resolveMissing(packages: readonly string[], o: AptPlace, options: readonly string[]): Promise<string[]> {
  const simulated = await aptGet(['install', '--simulate', '--reinstall', '--no-install-recommends', ...packages], o, options);
  const wanted = parseSimulation(simulated)
    .filter(({ name }) => packages.includes(name) || isRuntimeLibrary(name))
    .map(({ name, version }) => `${name}=${version}`);
  if (wanted.length === 0) {
    throw new ServerError('DOWNLOAD_FAILED', { packages: packages.join(' '), reason: 'apt-get would install nothing' });
  }
  return wanted;
}

/** Lines such as `Inst redis-tools [5:7.0.1-1] (5:7.0.15-1 Debian:12 [amd64])`. */
export function parseSimulation(output: string): { name: string; version: string }[] {
  return [...output.matchAll(/^Inst (\S+?)(?::\S+)? (?:\[[^\]]*\] )?\((\S+) /gm)].map(([, name = '', version = '']) => ({ name, version }));
}

/** A shared library, not one for browsers, Perl or Python. The C library is every system's own and must not be mixed. */
export function isRuntimeLibrary(name: string): boolean {
  return /^lib/.test(name) && !/^libjs-|-perl$|-(common|bin|dev|data)$|^libc6|^libc-bin$/.test(name);
}

async function hasLists(dir: string): Promise<boolean> {
  const names = await readdir(dir).catch(() => []);
  return names.some((name) => name.includes('_Packages'));
}

/** Runs apt-get with its caches in `aptDir`. `options` are further options of its own. Throws ServerError DOWNLOAD_FAILED with what it said. */
export async function aptGet(
  args: readonly string[],
  o: Pick<AptPlace, 'aptDir'>,
  options: readonly string[],
  cwd?: string,
): Promise<string> {
  const own = [
    `Dir::Cache=${join(o.aptDir, 'cache')}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=root',
    'Acquire::Retries=2',
    'Acquire::http::Timeout=30',
  ];
  try {
    const { stdout } = await run('apt-get', ['-q', '-y', ...own.flatMap((option) => ['-o', option]), ...options, ...args], {
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: outputBytesMax,
      ...(cwd === undefined ? {} : { cwd }),
    });
    return stdout;
  } catch (cause) {
    const stderr = (cause as { stderr?: string }).stderr ?? '';
    throw new ServerError(
      'DOWNLOAD_FAILED',
      { command: `apt-get ${args.join(' ')}`, said: stderr.trim().replaceAll('\n', ' | ').slice(-500) },
      { cause },
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
