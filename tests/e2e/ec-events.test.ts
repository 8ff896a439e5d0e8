/** What a real vault tells a real NATS, as its drives fail and are replaced. In order. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { listPolicies } from '@couchestor/shared/contracts/brain';
import type { EventContract } from '@couchestor/shared/contracts/define';
import {
  driveFailed,
  stripeDegraded,
  stripeEncoded,
  stripeRebuilt,
  type VaultRecord,
  vaultsBucket,
} from '@couchestor/shared/contracts/vault-events';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { startServiceProcess } from '@couchestor/shared/testing/service-process';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runClient } from './ec/run-client.ts';
import { policyName, VaultProcess } from './ec/vault-process.ts';

const mebibyte = 2 ** 20;
const startTimeoutMs = 90_000;
const toldTimeoutMs = 20_000;

let nats: TestServer;
let bus: Bus;
let vault: VaultProcess;
const heard: { readonly type: string; readonly payload: unknown }[] = [];

beforeAll(async () => {
  nats = await startTestNats();
  bus = await connectBus({ url: nats.url, name: 'cli', logger: quietLogger() });
  await hear(stripeEncoded);
  await hear(stripeDegraded);
  await hear(stripeRebuilt);
  await hear(driveFailed);
  vault = await VaultProcess.start({ drives: 7, natsUrl: nats.url });
}, startTimeoutMs);

afterAll(async () => {
  await vault.remove();
  await bus.close();
  await nats.stop();
});

async function hear<T>(event: EventContract<T>): Promise<void> {
  await bus.watchEvent(event, ({ payload }) => void heard.push({ type: event.type, payload }));
}

async function record(): Promise<VaultRecord | undefined> {
  return (await bus.bucket(vaultsBucket).get((await vault.status()).vaultId))?.value;
}

async function untilRecord(what: string, holds: (record: VaultRecord) => boolean): Promise<void> {
  const found = async (): Promise<boolean> => {
    const now = await record();
    return now !== undefined && holds(now);
  };
  await waitUntil(found, { timeoutMs: toldTimeoutMs, intervalMs: 100, what });
}

function of(type: string): unknown[] {
  return heard.filter((one) => one.type === type).map(({ payload }) => payload);
}

async function untilHeard(type: string): Promise<void> {
  await waitUntil(() => of(type).length > 0, { timeoutMs: toldTimeoutMs, what: `${type} to be told` });
}

it('tells of the stripes that are written, and keeps its record', async () => {
  const image = join(vault.dir, 'image');
  await writeFile(image, randomBytes(8 * mebibyte));
  await vault.client.createVolume({ name: 'data', sizeBytes: 8 * mebibyte });
  await runClient('nbdcopy', [image, vault.uri('data')]);
  await untilHeard('stripe.encoded');
  const { vaultId } = await vault.status();
  expect(of('stripe.encoded')[0]).toMatchObject({ vaultId, policy: policyName, count: expect.any(Number) });
  await untilRecord('the record to count them', ({ stripes, volumes }) => stripes.healthy >= 32 && volumes === 1);
  expect(await record()).toMatchObject({ phase: 'ready', policy: { name: policyName, uid: `file:${policyName}` } });
});

it('tells of a drive that failed, of stripes that lack a shard and have it again', async () => {
  await vault.client.failDrive(3);
  await untilHeard('drive.failed');
  expect(of('drive.failed')).toEqual([expect.objectContaining({ drive: 3, path: vault.drivePath(3), reason: 'told to fail' })]);
  await untilHeard('stripe.degraded');
  await untilHeard('stripe.rebuilt');
  await untilRecord(
    'the record to tell of the drive',
    ({ phase, conditions }) => phase === 'degraded' && conditions.some(({ reason }) => reason === 'DrivesGone'),
  );
  await vault.finish(await vault.client.replaceDrive({ number: 3, path: join(vault.root, 'drive-8'), domain: { disk: 'disk-8' } }));
  await vault.untilHealthy();
  await untilRecord('the record to be well again', ({ phase, stripes }) => phase === 'ready' && stripes.degraded === 0);
});

it('makes the counts of its policy come true in the brain', async () => {
  const flags = ['--nats-url', nats.url, '--policy-dir', vault.policyDir, '--mayastor-url', 'http://127.0.0.1:1'];
  const brain = await startServiceProcess(new URL('../../services/policy-brain/src/main.ts', import.meta.url), flags);
  try {
    const seen = async (): Promise<unknown> => (await bus.call(listPolicies, {}, { timeoutMs: 5_000 })).ecPolicies;
    await waitUntil(async () => JSON.stringify(await seen()).includes('"activeVolumes":1'), { timeoutMs: toldTimeoutMs });
    expect(await seen()).toEqual([
      expect.objectContaining({ name: policyName, phase: 'Active', dataShards: 4, parityShards: 2, activeVolumes: 1 }),
    ]);
  } finally {
    await brain.end('SIGTERM');
  }
});

it('serves its clients while NATS is away, and tells afterwards what happened', async () => {
  await nats.kill();
  heard.length = 0;
  await vault.client.failDrive(5);
  const said = await runClient('qemu-io', ['-f', 'raw', '-c', 'write -P 9 0 1M', '-c', 'read -P 9 0 1M', vault.uri('data')]);
  expect(said).toMatch(/^read 1048576\/1048576/m);
  expect((await vault.readiness())?.ready).toBe(true);
  await nats.restart();
  await untilHeard('drive.failed');
  expect(of('drive.failed')).toEqual([expect.objectContaining({ drive: 5 })]);
  await untilRecord('the record to tell of the drive', ({ phase }) => phase === 'degraded');
});

it('ends in order, and has told the last of it', async () => {
  expect(await vault.stop()).toBe(0);
});
