/**
 * Each file of a vault that says what something is, emptied, cut, flipped or gone: refused with an error that names the place and the cure, or
 * made good. What is refused is not touched, so that the cure has everything.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '@couchestor/shared/errors';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reindexVault } from '../../../services/ec-encoder/src/vault/reindex.ts';
import { openVault } from '../../../services/ec-encoder/src/vault/vault.ts';
import type { LongCall, VaultApi } from '../../../services/ec-encoder/src/vault/vault-api.ts';
import { flipBits } from '../../faults/flip-bits.ts';
import { randomOf } from '../random.ts';
import { look, saltOf } from './look.ts';
import { stampedBytes, unitBytes } from './stamped-bytes.ts';
import type { Found } from './story.ts';
import { drivePath, openOptions } from './vault-under-test.ts';

const code = { dataShards: 4, parityShards: 2 };
const drives = [1, 2, 3, 4, 5, 6];
const call: LongCall = { signal: new AbortController().signal, report: () => undefined };
const keys = ['small', 'large'];

let home = '';
/** Always the same place, so that the drives are where the index says. */
let root = '';
let whole: Found | undefined;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'couchestor-corrupt-'));
  root = join(home, 'vault');
  const vault = await open(root);
  await vault.volumes.create({ name: 'a', sizeBytes: 2 ** 21 });
  const opened = await vault.exports.open('a');
  let value = 0;
  const write = async (firstUnit: number, units: number) => {
    value += 1;
    await opened?.device.write(firstUnit * unitBytes, [stampedBytes({ value, firstUnit, units, salt: 0 })]);
  };
  await write(0, 2_048);
  await vault.volumes.snapshot({ volume: 'a', name: 's' });
  for (let at = 0; at < 40; at += 1) {
    await write(at * 50, 16);
  }
  for (const [key, units] of [
    ['small', 9],
    ['large', 500],
  ] as const) {
    const body = stampedBytes({ value: 1, firstUnit: 0, units, salt: saltOf(key) });
    await vault.blobs.put({ key, body: chunksOf(body), sizeBytes: body.length, signal: call.signal });
  }
  whole = await look(vault, keys);
  await vault.close();
  expect(whole.problems).toEqual([]);
  cpSync(root, join(home, 'whole'), { recursive: true });
});
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  cpSync(join(home, 'whole'), root, { recursive: true });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

type Damage = 'emptied' | 'cut' | 'flipped' | 'gone';
const damages: readonly Damage[] = ['emptied', 'flipped', 'gone'];

function damage(path: string, how: Damage): void {
  expect(existsSync(path), path).toBe(true);
  if (how === 'gone') {
    rmSync(path);
  } else if (how === 'flipped') {
    flipBits(path, randomOf(7), Math.min(12, statSync(path).size));
  } else {
    truncateSync(path, how === 'emptied' ? 0 : Math.floor(statSync(path).size / 2));
  }
}

async function open(root: string): Promise<VaultApi> {
  return await openVault(options(root));
}

function options(root: string) {
  return openOptions({ root, code, drives: drives.map((number) => drivePath(root, number)) }, quietLogger());
}

async function expectWhole(root: string): Promise<void> {
  const vault = await open(root);
  try {
    expect(await look(vault, keys)).toEqual(whole);
  } finally {
    await vault.close();
  }
}

/** With a code, what cures it, and the place. */
async function expectRefused(root: string, o: { code: RegExp; names: RegExp; facts?: RegExp }): Promise<void> {
  const error = await open(root).then(
    async (vault) => {
      await vault.close();
      return undefined;
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CodedError);
  const { code: got, message, facts } = error as CodedError;
  expect(got).toMatch(o.code);
  expect(message).toMatch(o.names);
  expect(JSON.stringify(facts)).toMatch(o.facts ?? new RegExp(root));
}

/** The cure of last resort: what the drives say. */
async function expectCuredByReindex(root: string): Promise<void> {
  await reindexVault(options(root), call);
  await expectWhole(root);
}

it.each([
  ['gone', /^INDEX_NO_INDEX$/],
  ['emptied', /^INDEX_NO_INDEX$/],
  ['cut', /^INDEX_CORRUPT$/],
] as const)('the file of the index that is %s: refused, and made again from the drives', async (how, code) => {
  damage(join(root, 'data', 'index', 'data.mdb'), how);
  await expectRefused(root, { code, names: /couchestor ec reindex/ });
  await expectCuredByReindex(root);
});

describe.each(damages)('a file that is %s', (how) => {
  it('as `format`: refused; without it the index is made again from the drives', async () => {
    damage(join(root, 'data', 'format'), how);
    await expectRefused(root, { code: /^INDEX_NOT_AN_INDEX$/, names: /`format`/ });
    rmSync(join(root, 'data', 'format'), { force: true });
    await expectCuredByReindex(root);
  });

  it('as `policy.json`: refused, or taken anew from the policy that is given', async () => {
    damage(join(root, 'data', 'policy.json'), how);
    if (how !== 'gone') {
      await expectRefused(root, { code: /^VAULT_BAD_POLICY_FILE$/, names: /policy\.json/ });
      rmSync(join(root, 'data', 'policy.json'));
    }
    await expectWhole(root);
  });

  it('as the identity of a drive: the vault goes on without the drive, up to its parity', async () => {
    for (const number of [2, 5]) {
      damage(join(drivePath(root, number), 'couchestor-drive.json'), how);
    }
    const vault = await open(root);
    try {
      expect(await look(vault, keys)).toEqual(whole);
      const bad = vault.status().drives.filter(({ state }) => state === 'failed');
      expect(bad.map(({ number }) => number)).toEqual([2, 5]);
      expect(bad.every(({ reason }) => /couchestor-drive\.json|identity|no drive|DRIVE_/.test(reason ?? ''))).toBe(true);
    } finally {
      await vault.close();
    }
  });

  it('as what tells of one copy of the journal: the others serve', async () => {
    const [first = ''] = journals(root);
    damage(join(first, 'journal.json'), how);
    await expectWhole(root);
  });

  it('as what tells of every copy of the journal: refused', async () => {
    for (const path of journals(root)) {
      damage(join(path, 'journal.json'), how);
    }
    await expectRefused(
      root,
      how === 'gone' ? { code: /^JOURNAL_/, names: /journal/ } : { code: /^JOURNAL_BAD_FORMAT$/, names: /journal/ },
    );
  });

  it('as the log of two copies of the journal: the third serves', async () => {
    for (const path of journals(root).slice(0, 2)) {
      for (const name of readdirSync(path).filter((file) => file.endsWith('.wal'))) {
        damage(join(path, name), how);
      }
    }
    await expectWhole(root);
  });

  it('as the log of every copy of the journal: refused, for writes would be lost', async () => {
    for (const path of journals(root)) {
      for (const name of readdirSync(path).filter((file) => file.endsWith('.wal'))) {
        if (how === 'flipped') {
          // Each of them, so that no record is whole.
          flipBits(join(path, name), randomOf(1), Math.floor(statSync(join(path, name)).size / 16));
        } else {
          damage(join(path, name), how);
        }
      }
    }
    await expectRefused(root, { code: /^JOURNAL_CORRUPT$/, names: /journal/, facts: /fromLsn/ });
  });

  it('as every segment of two drives: read from the others, and healed', async () => {
    for (const number of [1, 6]) {
      const segments = join(drivePath(root, number), 'segments');
      for (const name of readdirSync(segments)) {
        damage(join(segments, name), how);
      }
    }
    await expectWhole(root);
    const vault = await open(root);
    try {
      await vault.scrub(call);
      expect((await vault.scrub(call)).errorsFound).toBe(0);
      expect(vault.status().stripes).toMatchObject({ degraded: 0, lost: 0 });
    } finally {
      await vault.close();
    }
  });

  it('as the ballast, or the state of the scrub: made anew', async () => {
    damage(join(root, 'data', 'ballast'), how);
    if (existsSync(join(root, 'data', 'scrub.json'))) {
      damage(join(root, 'data', 'scrub.json'), how);
    }
    await expectWhole(root);
  });
});

function journals(root: string): string[] {
  return drives.map((number) => join(drivePath(root, number), 'journal')).filter((path) => existsSync(join(path, 'journal.json')));
}

async function* chunksOf(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
