/**
 * A process that opens a vault, tells what it finds there, and works on it until it is killed: `node workload.fixture.ts <life as JSON>`.
 *
 * Whatever it begins, and whatever was answered, it tells first.
 */
import { appendFileSync, openSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createLogger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { BlockDevice } from '../../../services/ec-encoder/src/adapters/nbd/block-device.ts';
import { reindexVault } from '../../../services/ec-encoder/src/vault/reindex.ts';
import { openVault } from '../../../services/ec-encoder/src/vault/vault.ts';
import type { LongCall, VaultApi } from '../../../services/ec-encoder/src/vault/vault-api.ts';
import { randomOf } from '../random.ts';
import type { Life } from './life.ts';
import { describe, look, saltOf } from './look.ts';
import { stampedBytes, unitBytes, valuesOf } from './stamped-bytes.ts';
import { type Operation, runsOf, tell } from './story.ts';
import { openOptions, stripeUnits } from './vault-under-test.ts';

const life = JSON.parse(process.argv[2] ?? '') as Life;
const acks = openSync(life.acks, 'a');
const logger = createLogger({
  name: 'vault',
  level: 'warn',
  json: true,
  to: { write: (line) => appendFileSync(`${life.acks}.warnings`, line) },
});
const call: LongCall = { signal: new AbortController().signal, report: () => undefined };
const snapshotsMax = 3;
const blobsMax = 24;

const random = randomOf(life.seed);
const below = (count: number): number => Math.floor(random() * count);
let lastId = life.firstId;

await run();

async function run(): Promise<void> {
  tell(acks, { is: 'born' });
  const options = openOptions(life, logger);
  if (life.reindex) {
    await rm(join(life.root, 'data', 'index'), { recursive: true });
    const { message } = await reindexVault(options, call);
    tell(acks, { is: 'note', text: message });
  }
  const vault = await openVault(options);
  tell(acks, { is: 'open' });
  if (life.dump !== undefined) {
    writeFileSync(life.dump, JSON.stringify(await look(vault, life.keys)));
    tell(acks, { is: 'seen', path: life.dump });
  }
  if (life.isLast) {
    await vault.close();
    return;
  }
  if (vault.exports.list().every(({ name }) => name !== 'a')) {
    await does({ do: 'create', volume: 'a', units: life.volumeUnits }, () =>
      vault.volumes.create({ name: 'a', sizeBytes: life.volumeUnits * unitBytes }),
    );
  }
  const device = await deviceOf(vault, 'a');
  const work = [
    ...Array.from({ length: life.writers }, () => writer(device)),
    snapshotter(vault, device),
    ...Array.from({ length: 2 }, (_, worker) => blobber(vault, worker)),
    ...(life.fail === undefined ? [] : [failDrive(vault, life.fail)]),
    ...(life.replace === undefined ? [] : [replaceDrive(vault, life.replace)]),
    ...(life.heals ? [heal(vault)] : []),
  ];
  await Promise.all(work);
  await vault.close();
}

function isOver(): boolean {
  return life.operations !== undefined && lastId - life.firstId >= life.operations;
}

async function writer(device: BlockDevice): Promise<void> {
  while (!isOver()) {
    if (life.pauseMsMax > 0) {
      await sleep(below(life.pauseMsMax));
    }
    const dice = random();
    const o = range(device);
    if (dice < 0.12) {
      await does({ do: 'zero', volume: 'a', ...o }, () => device.zero(o.firstUnit * unitBytes, o.units * unitBytes));
    } else if (dice < 0.25) {
      const bytes = Buffer.alloc(o.units * unitBytes);
      await does({ do: 'read', volume: 'a', ...o }, async () => {
        await device.read(o.firstUnit * unitBytes, bytes);
        return runsOf(valuesOf(bytes, { firstUnit: o.firstUnit, salt: 0 }));
      });
    } else {
      await does({ do: 'write', volume: 'a', ...o }, async (id) => {
        const bytes = stampedBytes({ value: id, ...o, salt: 0 });
        const cut = below(bytes.length);
        await device.write(o.firstUnit * unitBytes, [bytes.subarray(0, cut), bytes.subarray(cut)]);
      });
    }
  }
}

/** From part of a block to two stripes; whole blocks, whole stripes, or neither. Some places are written more often than others. */
function range(device: BlockDevice): { firstUnit: number; units: number } {
  const all = device.sizeBytes / unitBytes;
  const stripe = stripeUnits;
  const step = [1, 8, 8, 8, stripe, stripe][below(6)] ?? 8;
  const units = Math.max(step, Math.floor((random() < 0.6 ? below(33) + 1 : below(2 * stripe) + 1) / step) * step);
  const span = random() < 0.5 ? Math.floor(all / 4) : all;
  const firstUnit = Math.min(all - units, Math.floor(below(span) / step) * step);
  return { firstUnit, units };
}

async function snapshotter(vault: VaultApi, device: BlockDevice): Promise<void> {
  const names = vault.exports
    .list()
    .filter(({ name }) => name.startsWith('a@'))
    .map(({ name }) => name.slice(2));
  for (let first = true; !isOver(); first = false) {
    if (!first || random() < 0.5) {
      await sleep(50 + below(300));
    }
    if (names.length >= snapshotsMax || (names.length > 0 && random() < 0.3)) {
      const [name = ''] = names.splice(below(names.length), 1);
      await does({ do: 'remove-snapshot', volume: 'a', name }, () => vault.volumes.removeSnapshot({ volume: 'a', name }));
    } else {
      const name = `s${lastId}`;
      await does({ do: 'snapshot', volume: 'a', name }, () => vault.volumes.snapshot({ volume: 'a', name }));
      names.push(name);
    }
    // What the journal holds is compared with what was mapped.
    const o = range(device);
    const bytes = Buffer.alloc(o.units * unitBytes);
    await does({ do: 'read', volume: 'a', ...o }, async () => {
      await device.read(o.firstUnit * unitBytes, bytes);
      return runsOf(valuesOf(bytes, { firstUnit: o.firstUnit, salt: 0 }));
    });
  }
}

async function blobber(vault: VaultApi, worker: number): Promise<void> {
  const mine = life.keys.filter((key) => key.startsWith(`${worker}-`));
  const here: string[] = [];
  for (const key of mine) {
    if ((await vault.blobs.head(key)) !== undefined) {
      here.push(key);
    }
  }
  while (!isOver()) {
    await sleep(below(40 + life.pauseMsMax));
    const dice = random();
    if (here.length >= blobsMax || (here.length > 0 && dice < 0.25)) {
      const [key = ''] = here.splice(below(here.length), 1);
      await does({ do: 'release', key }, () => vault.blobs.release(key));
    } else if (here.length > 0 && dice < 0.5) {
      const key = here[below(here.length)] ?? '';
      await does({ do: 'adopt', key }, () => vault.blobs.adopt(key));
    } else {
      const units = 1 + (random() < 0.8 ? below(40) : below(4 * stripeUnits));
      const key = `${worker}-${lastId}-${units}`;
      await does({ do: 'put', key, units }, async (id) => {
        const bytes = stampedBytes({ value: id, firstUnit: 0, units, salt: saltOf(key) });
        await vault.blobs.put({ key, body: chunksOf(bytes), sizeBytes: bytes.length, signal: call.signal });
      });
      here.push(key);
    }
  }
}

async function failDrive(vault: VaultApi, number: number): Promise<void> {
  await sleep(below(200));
  await vault.drives.fail(number);
  tell(acks, { is: 'note', text: `drive ${number} was failed` });
}

async function replaceDrive(vault: VaultApi, o: { number: number; path: string }): Promise<void> {
  const isThere = vault.drives.list().some(({ path }) => path === o.path);
  if (!isThere && vault.drives.list().some(({ number }) => number === o.number)) {
    await vault.drives.replace({ number: o.number, drive: { path: o.path, domain: { disk: basename(o.path) } } }, call);
    tell(acks, { is: 'note', text: `drive ${o.number} was replaced` });
  }
}

/** Until all shards are there and sound. */
async function heal(vault: VaultApi): Promise<void> {
  for (;;) {
    await vault.rebuild(call);
    const { errorsFound } = await vault.scrub(call);
    const { stripes, drives } = vault.status();
    if (errorsFound === 0 && stripes.degraded === 0 && stripes.lost === 0 && drives.every(({ state }) => state === 'online')) {
      tell(acks, { is: 'healed' });
      return;
    }
    const states = drives.map(({ number, state }) => `${number} ${state}`).join(', ');
    tell(acks, {
      is: 'note',
      text: `not healed: ${errorsFound} errors, ${stripes.degraded} degraded, ${stripes.lost} lost; drives ${states}`,
    });
    await sleep(20);
  }
}

async function does(operation: Operation, work: (id: number) => Promise<unknown>): Promise<void> {
  lastId += 1;
  const id = lastId;
  tell(acks, { is: 'begun', id, operation });
  try {
    const result = await work(id);
    tell(acks, operation.do === 'read' ? { is: 'done', id, read: result as number[] } : { is: 'done', id });
  } catch (error) {
    tell(acks, { is: 'failed', id, reason: describe(error) });
  }
}

async function deviceOf(vault: VaultApi, name: string): Promise<BlockDevice> {
  const opened = await vault.exports.open(name);
  if (opened === undefined) {
    throw new Error(`there is no volume ${name}`);
  }
  return opened.device;
}

async function* chunksOf(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 20_000) {
    yield bytes.subarray(at, at + 20_000);
  }
}
