/**
 * The programs of a Kubernetes API server: where the variables of envtest name them, on PATH, in our cache, or built into it.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from '../../errors.ts';
import { hasApt } from '../../servers/apt.ts';
import { withCacheLock } from '../../servers/cache-lock.ts';
import { ServerError } from '../../servers/errors.ts';
import { cacheDirOf } from '../../servers/provision.ts';
import { buildApiServer } from './build-api-server.ts';

export interface KubeAssets {
  readonly apiServer: string;
  readonly etcd: string;
  readonly kubectl: string | undefined;
}

export interface ProvisionKubeInput {
  readonly env: NodeJS.ProcessEnv;
  /** False refuses to download and to build. */
  readonly install: boolean;
  /** Told, one line each, what takes time and what was passed over. */
  readonly log: (line: string) => void;
  /** Folders searched after those of PATH. */
  readonly systemDirs?: readonly string[];
}

const systemBinDirs = ['/usr/local/bin', '/usr/bin', '/usr/local/kubebuilder/bin'];
/** What a build that was killed left behind is removed by a later run, once nobody can be at it any more. */
const abandonedAfterMs = 60 * 60_000;
const versionTimeoutMs = 30_000;
const scratchPrefix = 'kube-build-';
const install = 'set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl';

/** Throws ServerError NOT_FOUND or BUILD_FAILED, saying what to do, where there are none to be had. */
export async function provisionKubeAssets(o: ProvisionKubeInput): Promise<KubeAssets> {
  const cacheDir = cacheDirOf(o.env);
  const pathDirs = (o.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  const installed = (await assetsNamed(o.env)) ?? (await assetsIn([...pathDirs, ...(o.systemDirs ?? systemBinDirs)]));
  if (installed !== undefined) {
    return installed;
  }
  await removeAbandoned(cacheDir);
  const cached = await assetsThatRun(targetDirOf(cacheDir), o.log);
  if (cached !== undefined) {
    return cached;
  }
  if (!o.install) {
    throw notFound('downloads are refused (--no-install)');
  }
  if (!(await hasApt())) {
    throw notFound('there is no apt-get here to fetch its sources with');
  }
  const lock = {
    file: join(cacheDir, 'kube.lock'),
    onWait: (pid: string) => o.log(`waiting for process ${pid}, which is building into ${cacheDir}`),
  };
  return await withCacheLock(
    lock.file,
    lock,
    async () => (await assetsThatRun(targetDirOf(cacheDir), o.log)) ?? (await buildIntoCache(cacheDir, o.log)),
  );
}

async function buildIntoCache(cacheDir: string, log: ProvisionKubeInput['log']): Promise<KubeAssets> {
  const scratchDir = await mkdtemp(join(cacheDir, scratchPrefix));
  const built = join(scratchDir, 'built');
  const startedAt = performance.now();
  log(`building it from Debian's sources: 3 to 12 minutes, once on this machine (${cacheDir})`);
  try {
    await buildApiServer({ targetDir: built, scratchDir, log });
    await assertRuns(join(built, 'kube-apiserver'));
    await moveIntoPlace(built, targetDirOf(cacheDir), log);
  } finally {
    await rm(scratchDir, { recursive: true, force: true });
  }
  log(`ready in ${targetDirOf(cacheDir)} after ${((performance.now() - startedAt) / 60_000).toFixed(1)} min`);
  const assets = await assetsThatRun(targetDirOf(cacheDir), log);
  if (assets === undefined) {
    throw notFound('it vanished from the cache while it was put there');
  }
  return assets;
}

/** One that works and came there meanwhile stays: somebody may be starting it. */
async function moveIntoPlace(built: string, target: string, log: ProvisionKubeInput['log']): Promise<void> {
  if ((await assetsThatRun(target, log)) === undefined) {
    await rm(target, { recursive: true, force: true });
    await rename(built, target);
  }
}

async function removeAbandoned(cacheDir: string): Promise<void> {
  const names = await readdir(cacheDir).catch(() => []);
  for (const path of names.filter((name) => name.startsWith(scratchPrefix)).map((name) => join(cacheDir, name))) {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > abandonedAfterMs) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

async function assetsThatRun(dir: string, log: ProvisionKubeInput['log']): Promise<KubeAssets | undefined> {
  const assets = await assetsIn([dir]);
  if (assets === undefined) {
    return undefined;
  }
  try {
    await assertRuns(assets.apiServer);
    return assets;
  } catch (error) {
    log(`what is in ${dir} is of no use any more: ${describeError(error)}`);
    return undefined;
  }
}

/** As from another kind of processor, or cut short. */
async function assertRuns(apiServer: string): Promise<void> {
  try {
    await promisify(execFile)(apiServer, ['--version'], { timeout: versionTimeoutMs });
  } catch (cause) {
    throw new ServerError('BROKEN', { server: 'kube-apiserver', path: apiServer }, { cause });
  }
}

function targetDirOf(cacheDir: string): string {
  return join(cacheDir, 'kube');
}

function notFound(reason: string): Error {
  return new ServerError('NOT_FOUND', {
    server: 'kube-apiserver',
    install,
    variable: 'KUBECONFIG, with USE_EXISTING_CLUSTER=true',
    reason,
  });
}

/** What is named must be there: falling back silently would test something else than was meant. */
async function assetsNamed(env: NodeJS.ProcessEnv): Promise<KubeAssets | undefined> {
  const dir = env['KUBEBUILDER_ASSETS'] || undefined;
  const at = (variable: string, program: string): string | undefined => env[variable] || (dir && join(dir, program));
  const apiServer = at('TEST_ASSET_KUBE_APISERVER', 'kube-apiserver');
  const etcd = at('TEST_ASSET_ETCD', 'etcd');
  const kubectl = at('TEST_ASSET_KUBECTL', 'kubectl');
  if (apiServer === undefined || etcd === undefined) {
    return undefined;
  }
  for (const path of [apiServer, etcd]) {
    if (!(await isExecutable(path))) {
      throw new ServerError('BROKEN', { server: 'kube-apiserver', path, reason: 'KUBEBUILDER_ASSETS or TEST_ASSET_* names it' });
    }
  }
  return { apiServer, etcd, kubectl: kubectl !== undefined && (await isExecutable(kubectl)) ? kubectl : undefined };
}

async function assetsIn(dirs: readonly string[]): Promise<KubeAssets | undefined> {
  const find = async (program: string): Promise<string | undefined> => {
    for (const path of dirs.map((dir) => join(dir, program))) {
      if (await isExecutable(path)) {
        return path;
      }
    }
    return undefined;
  };
  const [apiServer, etcd, kubectl] = [await find('kube-apiserver'), await find('etcd'), await find('kubectl')];
  return apiServer === undefined || etcd === undefined ? undefined : { apiServer, etcd, kubectl };
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
