/** What the command says to people who mistype, and to those who ask for help. Nothing runs here. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { couchestor } from './couchestor.ts';

let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'couchestor-e2e-'));
});

afterAll(() => rm(dataDir, { recursive: true, force: true }));

describe('help', () => {
  it('lists every command, and every command tells its options', async () => {
    const help = await couchestor(['--help']);
    expect(help.code).toBe(0);
    const commands = [...help.stdout.matchAll(/^ {2}([a-z-]+) {2}/gm)].map(([, name = '']) => name);
    expect(commands).toEqual([
      'up',
      'demo',
      'operator',
      'run',
      'status',
      'volumes',
      'policies',
      'migrations',
      'explain',
      'ec',
      'store',
      'doctor',
      'uninstall',
      'dead-letters',
    ]);
    const pages = await Promise.all(commands.map((name) => couchestor([name, '--help'])));
    for (const [index, page] of pages.entries()) {
      expect(page, commands[index]).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('USAGE:') });
    }
  });

  it('of the operator holds every option of the specification, with its environment variable and default', async () => {
    const { stdout } = await couchestor(['operator', '--help']);
    for (const [flag, variable, standard] of [
      ['prometheus-url', 'PROMETHEUS_URL', 'http://prometheus.monitoring.svc.cluster.local:9090'],
      ['max-concurrent-migrations', 'MAX_CONCURRENT_MIGRATIONS', '2'],
      ['migration-timeout-minutes', 'MIGRATION_TIMEOUT_MINUTES', '30'],
      ['log-level', 'LOG_LEVEL', 'info'],
      ['metrics-addr', 'METRICS_ADDR', '0.0.0.0:8080'],
      ['health-addr', 'HEALTH_ADDR', '0.0.0.0:8081'],
      ['mayastor-namespace', 'MAYASTOR_NAMESPACE', 'mayastor'],
    ] as const) {
      const entry = stdout.slice(stdout.indexOf(`--${flag}`)).split(/\n {2}--/)[0];
      expect(entry, flag).toContain(`[env: ${variable}]`);
      expect(entry, flag).toContain(`[default: ${standard}]`);
    }
    for (const flag of ['dry-run', 'preservation-mode', 'log-json']) {
      expect(stdout).toMatch(new RegExp(`^  --${flag}$`, 'm'));
    }
    for (const flag of ['sync-poll-interval-seconds', 'mayastor-url', 'policy-dir', 'nats-url', 'redis-url']) {
      expect(stdout).toContain(`--${flag} <`);
    }
  });

  it('of --version is the version', async () => {
    expect(await couchestor(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^couchestor \d+\.\d+\.\d+\n$/) });
  });
});

describe('a mistake', () => {
  it.each([
    [['vols'], /there is no command "vols"/],
    [['volume'], /did you mean `couchestor volumes`/],
    [['volumes', '--jsn'], /--jsn: there is no such option; did you mean --json/],
    [['volumes', 'extra'], /"extra" is not expected here/],
    [['run'], /which service is to run\?/],
    [['run', 'migratr'], /did you mean migrator/],
    [['explain'], /which volume\?/],
    [['migrations', 'cancle'], /did you mean cancel/],
    [['migrations', 'cancel'], /<move or volume> is missing/],
    [['dead-letters', 'replay', 'x1'], /"x1" is not a sequence number/],
    [['up', '--scenario'], /--scenario: needs a value/],
    [['operator', '--dry-run', 'yes'], /yes/],
  ])('in %j ends with 2 and says what is wrong', async (args, message) => {
    expect(await couchestor(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  });

  it('in options without a command is one of the operator, and all are told together', async () => {
    const { code, stderr } = await couchestor(['--max-concurrent-migrations=many', '--prometheus-url=foo'], {
      env: { LOG_LEVEL: 'loud', DRY_RUN: 'perhaps' },
    });
    expect(code).toBe(2);
    for (const name of ['MAX_CONCURRENT_MIGRATIONS', 'PROMETHEUS_URL', 'LOG_LEVEL', 'DRY_RUN']) {
      expect(stderr).toContain(name);
    }
  });
});

describe('with nothing running', () => {
  it.each([['status'], ['volumes'], ['policies'], ['migrations'], ['explain', 'x'], ['dead-letters']])(
    '%s fails and says how to start',
    async (...args) => {
      const { code, stdout, stderr } = await couchestor([...args, '--nats-url', 'nats://127.0.0.1:1']);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('Nothing is running here. Start it with `couchestor up`');
      expect(stderr).not.toMatch(/^\s+at /m);
    },
  );

  it('a scenario that cannot be read stops the start, names the field, and leaves nothing running', async () => {
    const { code, stdout, stderr } = await couchestor(['up', '--data-dir', dataDir, '--scenario', join(dataDir, 'none.yaml')]);
    expect(code).toBe(1);
    expect(`${stdout}${stderr}`).toMatch(/none\.yaml/);
  });
});
