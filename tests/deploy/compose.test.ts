/** The compose stack, the Dockerfile and the Tiltfile: each through its linter, and against the code that they name. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { commonOptions } from '@couchestor/shared/common-options';
import { serverCatalog } from '@couchestor/shared/servers/catalog';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { services as documented } from '../../scripts/docs/configuration.ts';
import { root } from './manifests.ts';

const run = promisify(execFile);
const node = process.execPath;
const require = createRequire(import.meta.url);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface ComposeService {
  readonly image: string;
  readonly build?: { readonly args: { readonly SERVICE: string } };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly restart?: string;
  readonly healthcheck?: object;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const all = Object.entries(compose.services);
const ours = all.filter(([, { build }]) => build !== undefined);
const serviceFolders = readdirSync(join(root, 'services'));

describe('docker-compose.yml', () => {
  it('is what the compose specification takes', async () => {
    await run(node, [
      join(dirname(require.resolve('dclint')), '../bin/dclint.cjs'),
      '-c',
      join(root, 'deploy/compose/dclint.yaml'),
      join(root, 'docker-compose.yml'),
    ]);
  });

  it('runs every service that there is, and says nothing that docker-compose 1.29 refuses', () => {
    expect(ours.map(([name]) => name).sort()).toEqual(serviceFolders.sort());
    expect(ours.every(([name, { build, image }]) => build?.args.SERVICE === name && image === `couchestor/${name}:local`)).toBe(true);
    const sections = Object.keys(compose).filter((key) => !key.startsWith('x-'));
    expect(sections).toEqual(['services', 'volumes']);
    expect(all.filter(([, service]) => 'develop' in service)).toEqual([]);
  });

  it('checks the health of everything, starts it again, and waits for what it needs', () => {
    expect(all.filter(([, { healthcheck, restart }]) => healthcheck === undefined || restart === undefined)).toEqual([]);
    for (const [, { depends_on = {} }] of all) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect([name, condition]).toEqual([expect.toBeOneOf(Object.keys(compose.services)), 'service_healthy']);
      }
    }
  });

  it('publishes on loopback alone, each port once', () => {
    const published = all.flatMap(([, { ports = [] }]) => ports);
    const hosts = published.map((port) => /^127\.0\.0\.1:\$\{COUCHESTOR_\w+:-(\d+)\}:\d+$/.exec(port)?.[1]);
    expect(hosts).not.toContain(undefined);
    expect(new Set(hosts).size).toBe(hosts.length);
  });

  it('mounts only what is there, and named volumes that it declares', () => {
    const mounts = all.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''));
    const paths = mounts.filter((source) => source.startsWith('./'));
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    expect(mounts.filter((source) => !source.startsWith('./')).sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it('sets only variables that the service reads', () => {
    for (const [name, { environment = {} }] of ours) {
      const options = documented.find((service) => service.name === name)?.options ?? {};
      const known = [...Object.values(options), ...Object.values(commonOptions)].flatMap(({ env }) => env);
      expect(
        Object.keys(environment).filter((variable) => !known.includes(variable)),
        name,
      ).toEqual([]);
    }
  });

  it('takes images of the same versions as everything else does', () => {
    const known = [...Object.values(serverCatalog).map(({ image }) => image), 'grafana/grafana:11.3.0'];
    const foreign = all.filter(([, { build }]) => build === undefined).map(([, { image }]) => image);
    expect(foreign.filter((image) => !known.includes(image))).toEqual([]);
  });

  it('has every service scraped', () => {
    const { scrape_configs: jobs } = parse(read('deploy/compose/prometheus.yml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const targets = jobs.flatMap(({ static_configs }) => static_configs.flatMap((one) => one.targets));
    expect(
      targets
        .filter((target) => target.endsWith(':8080'))
        .map((target) => target.split(':')[0])
        .sort(),
    ).toEqual(serviceFolders.sort());
  });
});

describe('the Dockerfile', () => {
  it('copies the manifest of every package, and builds the operator where nothing is said', () => {
    const dockerfile = read('Dockerfile');
    const manifests = ['shared', 'cli', ...serviceFolders.map((name) => `services/${name}`)];
    expect(manifests.filter((path) => !dockerfile.includes(`COPY ${path}/package.json ${path}/`))).toEqual([]);
    expect(dockerfile).toContain('ARG SERVICE=operator');
  });

  it('copies nothing that .dockerignore keeps out', () => {
    const letIn = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...read('Dockerfile').matchAll(/^COPY (?:--chown=\S+ )?([^-].*) \S+$/gm)].flatMap(([, sources]) =>
      (sources ?? '').split(' '),
    );
    expect(copied.length).toBeGreaterThan(10);
    expect(copied.filter((path) => !letIn.some((one) => path === one || path.startsWith(`${one}/`)))).toEqual([]);
  });

  it('builds no image of a service that there is not', async () => {
    const assembled = run(node, [join(root, 'scripts/assemble-image.mjs'), 'migrater', join(root, 'dist/never')]);
    await expect(assembled).rejects.toThrow(/there is no service "migrater".*mayastor-simulator, metrics-watcher, migrator, policy-brain/);
  });

  it('passes its linter, but for what that does not know', async () => {
    const { stdout } = await run(node, [
      require.resolve('dockerfilelint/bin/dockerfilelint'),
      '-o',
      'json',
      join(root, 'Dockerfile'),
    ]).catch((error: { stdout: string }) => error);
    const { files } = JSON.parse(stdout) as { files: { issues: { line: string; content: string; title: string }[] }[] };
    const unknown = files
      .flatMap(({ issues }) => issues)
      // A stage or an argument as a base has no tag; options of a health check are younger than the linter.
      .filter(({ title, content }) => !(title === 'Base Image Missing Tag' && /^FROM (\$\{|dependencies)/.test(content)))
      .filter(({ title, content }) => !(title === 'Invalid Argument Format' && content.startsWith('HEALTHCHECK --')));
    expect(unknown).toEqual([]);
  });
});

describe('tilt', () => {
  it('has a Tiltfile that is well written', async () => {
    await run(node, [
      require.resolve('@bazel/buildifier/buildifier.js'),
      '-type=default',
      '-mode=check',
      '-lint=warn',
      join(root, 'tilt/Tiltfile'),
    ]);
  });

  it('runs every service, and applies only what is there', () => {
    const tiltfile = read('tilt/Tiltfile');
    expect(serviceFolders.filter((name) => !tiltfile.includes(`    "${name}": [`))).toEqual([]);
    const paths = [...tiltfile.matchAll(/"(\.\.\/[\w./-]+)"/g)].map(([, path]) => join(root, 'tilt', path ?? ''));
    expect(paths.length).toBeGreaterThan(8);
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
  });
});
