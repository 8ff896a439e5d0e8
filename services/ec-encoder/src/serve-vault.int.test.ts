/** The process around a vault, with a vault in memory: what it opens, tells and closes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Health } from '@couchestor/shared/health';
import { Lifecycle } from '@couchestor/shared/lifecycle';
import { readOptions } from '@couchestor/shared/options';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { VaultClient } from '@couchestor/shared/vault-client';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ecEncoderOptions } from './config.ts';
import { serveVault } from './serve-vault.ts';
import { FakeVault } from './vault/fake-vault.fixture.ts';
import type { OpenVaultOptions } from './vault/vault-api.ts';

const logger = quietLogger();
let folder: string;
let vault: FakeVault;
let lifecycle: Lifecycle;
let health: Health;
let registry: Registry;
let opened: OpenVaultOptions[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-serve-'));
  vault = new FakeVault();
  lifecycle = new Lifecycle({ logger });
  health = new Health();
  health.setServing(true);
  registry = new Registry();
  opened = [];
});

afterEach(async () => {
  await lifecycle.stop('end of the test');
  await rm(folder, { recursive: true });
});

async function serve(...argv: string[]): Promise<void> {
  const all = ['--data-dir', folder, '--without-nats', ...argv];
  const { values: config } = readOptions(ecEncoderOptions, { argv: all, env: {} });
  await serveVault({ config, env: {}, logger, registry, health, lifecycle }, async (options) => {
    opened.push(options);
    return vault;
  });
}

async function statusOver(at: ConstructorParameters<typeof VaultClient>[0]['at']): Promise<string> {
  const client = new VaultClient({ at, timeoutMs: 5_000 });
  try {
    return (await client.status()).vaultId;
  } finally {
    await client.close();
  }
}

describe('a vault that is served', () => {
  it('is opened as the options say, answers on its socket, and is closed at the end', async () => {
    await serve('--drive', '/d/1,zone=a', '--rebuild-mib-per-second', '2');
    expect(opened).toMatchObject([
      { dataDir: folder, drives: [{ path: '/d/1', domain: { zone: 'a' } }], throttle: { rebuildBytesPerSecond: 2 ** 21 } },
    ]);
    expect(await statusOver({ unixPath: join(folder, 'api.sock') })).toBe('v-1');
    expect(await registry.metrics()).toContain('couchestor_ec_stripes_total 9');
    await lifecycle.stop('now');
    expect(vault.isClosed).toBe(true);
    expect(lifecycle.failures).toBe(0);
  });

  it('takes its policy from the folder, and goes on without where it knows it no more', async () => {
    const policies = join(folder, 'policies');
    await mkdir(policies);
    const document = (spec: string): string =>
      `apiVersion: storage.billyronks.io/v1\nkind: ErasureCodingPolicy\nmetadata: {name: wide}\nspec: ${spec}\n`;
    await writeFile(join(policies, 'wide.yaml'), document('{dataShards: 8, parityShards: 3}'));
    await serve('--ec-policy', 'wide', '--policy-dir', policies);
    expect(opened[0]?.policy).toMatchObject({ name: 'wide', uid: 'file:wide', spec: { dataShards: 8, parityShards: 3 } });

    await lifecycle.stop('next');
    lifecycle = new Lifecycle({ logger });
    health = new Health();
    registry = new Registry();
    await serve('--ec-policy', 'gone', '--policy-dir', policies);
    expect(opened[1]?.policy).toBeUndefined();

    await writeFile(join(policies, 'wide.yaml'), document('{dataShards: 0}'));
    registry = new Registry();
    await expect(serve('--ec-policy', 'wide', '--policy-dir', policies)).rejects.toMatchObject({ code: 'EC_BAD_POLICY' });
  });

  it('is ready while it works, degraded or not, and says what it survives; not once it has failed', async () => {
    await serve();
    expect(await health.readiness()).toMatchObject({ ready: true, checks: { vault: 'ok: ready; survives any 2 of 6 drives' } });
    vault.overrides = { phase: 'degraded', conditions: [{ type: 'Degraded', status: 'True', reason: 'x', message: 'A drive is gone.' }] };
    expect((await health.readiness()).checks['vault']).toBe('ok: degraded; Degraded: A drive is gone.; survives any 2 of 6 drives');
    vault.overrides = { phase: 'failed' };
    expect((await health.readiness()).ready).toBe(false);
  });

  it('answers over TCP with the token of a file, and refuses a file that holds none', async () => {
    const file = join(folder, 'token');
    await writeFile(file, 'short');
    await expect(serve('--api-token-file', file, '--api-addr', '0.0.0.0:0')).rejects.toMatchObject({ code: 'EC_BAD_TOKEN_FILE' });
    expect(opened).toEqual([]);
  });
});
