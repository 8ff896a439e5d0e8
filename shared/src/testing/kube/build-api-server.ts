/**
 * A real kube-apiserver from Debian 12 alone, without root and without installing anything.
 *
 * Debian ships no kube-apiserver, but the source package of its kubectl is the whole of Kubernetes 1.20 with everything that it vendors. It is
 * compiled with Debian's Go, unpacked beside it. Two things are mended on the way: one generated file is missing, which the generator in the
 * same source makes; and the vendored reflect2 crashes when built with Go 1.18 or newer, so Debian's own packages of it and of json-iterator
 * take its place. Debian's patches concern kubectl only and are not applied.
 */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { aptGet } from '../../servers/apt.ts';
import { endingWithUs } from '../../servers/child-server.ts';
import { ServerError } from '../../servers/errors.ts';
import { readSources } from './debian-sources.ts';

const packages = [
  'golang-1.19-go',
  'golang-1.19-src',
  'golang-github-json-iterator-go-dev',
  'golang-github-modern-go-reflect2-dev',
  'etcd-server',
  'kubernetes-client',
];
const repairedModules = ['modern-go/reflect2', 'json-iterator/go'];
const kubernetes = 'k8s.io/kubernetes';
const outputBytesMax = 64 * 1024 * 1024;
const stillAtItMs = 60_000;
const saidCharactersMax = 800;

interface Workshop {
  /** Everything happens below it. */
  readonly dir: string;
  readonly log: (line: string) => void;
}

/** Leaves kube-apiserver, etcd and kubectl in `targetDir`, which it makes. `scratchDir` needs 3 GB and may be removed afterwards. */
export async function buildApiServer(o: {
  targetDir: string;
  scratchDir: string;
  etcDir?: string;
  log: (line: string) => void;
}): Promise<void> {
  const shop = { dir: o.scratchDir, log: o.log };
  const tree = join(shop.dir, 'tree');
  const gopath = join(shop.dir, 'go');
  const source = join(gopath, 'src', kubernetes);
  for (const dir of [tree, source, join(shop.dir, 'tmp'), o.targetDir]) {
    await mkdir(dir, { recursive: true });
  }
  const version = await step('fetching packages and sources', shop, async () => {
    const options = await ownLists(shop, o.etcDir ?? '/etc/apt');
    await fetchPackages(shop, options, tree);
    return await fetchSource(shop, options, source);
  });
  await step('preparing the sources', shop, async () => await repairVendored(tree, source));
  const env = goEnvironment({ goroot: join(tree, 'usr', 'lib', 'go-1.19'), gopath, dir: shop.dir });
  await step('generating the OpenAPI definitions', shop, async () => await generateOpenApi(shop, source, env));
  await step('compiling kube-apiserver (the longest step)', shop, async () => {
    const args = ['build', '-buildvcs=false', '-tags=providerless', `-ldflags=-s -w ${versionFlags(version)}`];
    await runTied([join(env.GOROOT, 'bin', 'go'), ...args, '-o', join(o.targetDir, 'kube-apiserver'), './cmd/kube-apiserver'], source, env);
  });
  for (const program of ['etcd', 'kubectl']) {
    await rename(join(tree, 'usr', 'bin', program), join(o.targetDir, program));
    await chmod(join(o.targetDir, program), 0o755);
  }
}

/** Package lists of our own, with sources; the system's may be empty, old, or not ours to write. */
async function ownLists(shop: Workshop, etcDir: string): Promise<string[]> {
  const parts = join(shop.dir, 'sources');
  const lists = join(shop.dir, 'lists');
  await mkdir(parts, { recursive: true });
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(aptDirOf(shop), 'cache', 'archives', 'partial'), { recursive: true });
  for (const { name, text } of await readSources(etcDir)) {
    await writeFile(join(parts, name), text);
  }
  const options = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${parts}`,
    `Dir::State::lists=${lists}`,
    'Acquire::Languages=none',
  ];
  const flags = options.flatMap((option) => ['-o', option]);
  try {
    await aptGet(['update'], { aptDir: aptDirOf(shop) }, flags);
  } catch (error) {
    // One third-party source that is out of reach, or has no sources, fails the whole update; what is needed may have come nevertheless.
    shop.log(`not all package lists could be fetched: ${error instanceof Error ? error.message : String(error)}`);
  }
  return flags;
}

async function fetchPackages(shop: Workshop, options: readonly string[], tree: string): Promise<void> {
  const dir = join(shop.dir, 'packages');
  await mkdir(dir);
  await aptGet(['download', ...packages], { aptDir: aptDirOf(shop) }, options, dir);
  for (const file of await readdir(dir)) {
    await runTied(['dpkg-deb', '-x', join(dir, file), tree], dir);
  }
}

/** Answers the version of Kubernetes. apt checks what it downloads against the archive's signed lists. */
async function fetchSource(shop: Workshop, options: readonly string[], source: string): Promise<KubernetesVersion> {
  const dir = join(shop.dir, 'source-package');
  await mkdir(dir);
  await aptGet(['source', '--download-only', '--only-source', 'kubernetes'], { aptDir: aptDirOf(shop) }, options, dir);
  const files = await readdir(dir);
  const archive = files.find((name) => /\.orig\.tar\.\w+$/.test(name));
  const [, major, minor, patch] = /(\d+)\.(\d+)\.(\d+)\.orig\./.exec(archive ?? '') ?? [];
  if (archive === undefined || major === undefined || minor === undefined || patch === undefined) {
    throw new Error(`the source package of Kubernetes has no archive with a version in its name: ${files.join(' ')}`);
  }
  await runTied(['tar', '-xf', join(dir, archive), '--strip-components=1', '--no-same-owner', '-C', source], dir);
  return { major, minor, patch };
}

interface KubernetesVersion {
  readonly major: string;
  readonly minor: string;
  readonly patch: string;
}

async function repairVendored(tree: string, source: string): Promise<void> {
  for (const module of repairedModules) {
    const from = join(tree, 'usr', 'share', 'gocode', 'src', 'github.com', module);
    const to = join(source, 'vendor', 'github.com', module);
    await rm(to, { recursive: true, force: true });
    await mkdir(to, { recursive: true });
    for (const file of (await readdir(from)).filter((name) => /\.(go|s)$/.test(name) && !name.endsWith('_test.go'))) {
      await cp(join(from, file), join(to, file));
    }
  }
}

/** The one generated file that the sources lack: the schemas of all built-in types, from the packages that carry the generator's mark. */
async function generateOpenApi(shop: Workshop, source: string, env: GoEnvironment): Promise<void> {
  const generator = join(shop.dir, 'openapi-gen');
  await runTied(
    [join(env.GOROOT, 'bin', 'go'), 'build', '-buildvcs=false', '-o', generator, './vendor/k8s.io/kube-openapi/cmd/openapi-gen'],
    source,
    env,
  );
  // With a slash at the end, since these are links, which grep follows only where it is told to.
  const vendored = (await readdir(join(source, 'vendor', 'k8s.io'))).map((name) => `vendor/k8s.io/${name}/`);
  const marked = await runTied(['grep', '-rl', '--include=*.go', '+k8s:openapi-gen=', ...vendored, 'pkg', 'cmd'], source);
  const inputs = packagesToDescribe(marked.split('\n').filter((line) => line !== ''));
  await runTied(
    [
      generator,
      `--input-dirs=${inputs.map((dir) => `${kubernetes}/${dir}`).join(',')}`,
      `--output-package=${kubernetes}/pkg/generated/openapi`,
      '--output-file-base=zz_generated.openapi',
      '--go-header-file=hack/boilerplate/boilerplate.generatego.txt',
      `--report-filename=${join(shop.dir, 'violations.txt')}`,
    ],
    source,
    env,
  );
}

/** The folders of files that carry the mark, less examples, test data and the generators themselves. */
export function packagesToDescribe(files: readonly string[]): string[] {
  const described = files.filter((file) => !/_examples|sample-|\/testdata\/|code-generator|generators\/|kube-openapi\//.test(file));
  return [...new Set(described.map((file) => dirname(file)))].sort();
}

/** Two places hold the version that /version answers with, depending on who answers. */
export function versionFlags({ major, minor, patch }: KubernetesVersion): string {
  const values = { gitVersion: `v${major}.${minor}.${patch}`, gitMajor: major, gitMinor: minor };
  return ['component-base/version', 'client-go/pkg/version']
    .flatMap((place) => Object.entries(values).map(([name, value]) => `-X ${kubernetes}/vendor/k8s.io/${place}.${name}=${value}`))
    .join(' ');
}

interface GoEnvironment extends NodeJS.ProcessEnv {
  readonly GOROOT: string;
}

/** Nothing of the user's own Go, and no network. */
function goEnvironment(o: { goroot: string; gopath: string; dir: string }): GoEnvironment {
  return {
    PATH: `${join(o.goroot, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
    HOME: o.dir,
    TMPDIR: join(o.dir, 'tmp'),
    GOROOT: o.goroot,
    GOPATH: o.gopath,
    GOCACHE: join(o.dir, 'go-cache'),
    GOENV: 'off',
    GOFLAGS: '',
    GOPROXY: 'off',
    // The sources stand as in the days before modules; in module mode Go wants to change go.mod first.
    GO111MODULE: 'off',
    CGO_ENABLED: '0',
  };
}

function aptDirOf(shop: Workshop): string {
  return join(shop.dir, 'apt');
}

async function runTied(command: [string, ...string[]], cwd: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const [file, ...args] = endingWithUs(command, 'KILL');
  const { stdout } = await promisify(execFile)(file, args, { cwd, env: { ...env, LC_ALL: 'C' }, maxBuffer: outputBytesMax });
  return stdout;
}

/** Tells what begins, that it goes on, and what failed. */
async function step<T>(name: string, shop: Workshop, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const minutes = (): string => ((performance.now() - startedAt) / 60_000).toFixed(1);
  shop.log(name);
  const timer = setInterval(() => shop.log(`still ${name}, ${minutes()} min`), stillAtItMs);
  try {
    return await work();
  } catch (cause) {
    throw new ServerError('BUILD_FAILED', { server: 'kube-apiserver', step: name, said: lastWords(cause) }, { cause });
  } finally {
    clearInterval(timer);
  }
}

/** The end of what the program said that failed, where one did. */
function lastWords(error: unknown): string | undefined {
  const said = ServerError.is(error) ? String(error.facts['said'] ?? '') : ((error as { stderr?: string }).stderr ?? '');
  const line = said.trim().replaceAll('\n', ' | ').slice(-saidCharactersMax);
  return line === '' ? undefined : line;
}
