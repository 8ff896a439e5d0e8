/** Finds a kustomize that is new enough: kubectl 1.24 and newer have one, and it also comes as a program of its own. Neither needs a cluster. */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** As tried. Much older ones, such as that of Debian's kubectl 1.20, know neither `labels` nor folders among `resources`. */
const versionMin = [4, 5] as const;
const kubectlMinorMin = 24;
const versionTimeoutMs = 30_000;
const renderedBytesMax = 16 * 1024 ** 2;

/** Renders a folder, given from the root of the repository. */
export type Kustomize = (folder: string) => Promise<string>;

/** Throws, naming what was looked at, where there is none on PATH, nor what TEST_ASSET_KUBECTL names. */
export async function findKustomize(env: NodeJS.ProcessEnv): Promise<Kustomize> {
  const dirs = [...(env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== ''), join(root, 'node_modules/.bin')];
  const kubectls = [env['TEST_ASSET_KUBECTL'], ...dirs.map((dir) => join(dir, 'kubectl'))].filter((path) => path !== undefined);
  const candidates = [
    ...kubectls.map((path) => ({ path, build: 'kustomize', isNewEnough: kubectlIsNewEnough })),
    ...dirs.map((dir) => ({ path: join(dir, 'kustomize'), build: 'build', isNewEnough: kustomizeIsNewEnough })),
  ];
  const tooOld: string[] = [];
  for (const { path, build, isNewEnough } of candidates) {
    const answer = await isNewEnough(path).catch(() => undefined);
    if (answer === true) {
      return async (folder) => (await run(path, [build, join(root, folder)], { maxBuffer: renderedBytesMax })).stdout;
    }
    if (answer === false) {
      tooOld.push(path);
    }
  }
  const found = tooOld.length === 0 ? '' : ` Too old: ${tooOld.join(', ')}.`;
  throw new Error(`kubectl 1.${kubectlMinorMin} or newer, or kustomize ${versionMin.join('.')} or newer, is needed on PATH.${found}`);
}

async function kubectlIsNewEnough(path: string): Promise<boolean> {
  const { stdout } = await run(path, ['version', '--client', '-o', 'json'], { timeout: versionTimeoutMs });
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { major: string; minor: string } };
  return Number.parseInt(clientVersion.major, 10) > 1 || Number.parseInt(clientVersion.minor, 10) >= kubectlMinorMin;
}

async function kustomizeIsNewEnough(path: string): Promise<boolean> {
  const { stdout } = await run(path, ['version'], { timeout: versionTimeoutMs });
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > versionMin[0] || (Number(major) === versionMin[0] && Number(minor) >= versionMin[1]);
}
