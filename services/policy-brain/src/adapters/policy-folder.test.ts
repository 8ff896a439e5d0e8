import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { sleep } from '@couchestor/shared/time';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PolicyFolder } from './policy-folder.ts';
import type { PolicySet } from './policy-source.ts';

let folder: string;
let source: PolicyFolder;
let told: PolicySet[];

const document = (name: string, spec = '{}') =>
  `apiVersion: storage.billyronks.io/v1\nkind: StoragePolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const write = (file: string, text: string) => writeFile(join(folder, file), text);
const names = () => told.at(-1)?.policies.map(({ policy }) => policy.name);

async function open(): Promise<void> {
  source = new PolicyFolder({ folder, logger: quietLogger() });
  source.onChange((set) => told.push(set));
  await source.open();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-policies-'));
  told = [];
});

afterEach(async () => {
  await source.close();
  await rm(folder, { recursive: true, force: true });
});

describe('the policy folder', () => {
  it('tells its policies at once, and every change of them', async () => {
    await write('gold.yaml', document('gold'));
    await write('notes.txt', 'not a policy');
    await open();
    expect(names()).toEqual(['gold']);
    await write('silver.yml', document('silver'));
    await waitUntil(() => names()?.join() === 'gold,silver');
    await write('gold.yaml', document('gold', '{dryRun: true}'));
    await waitUntil(() => told.at(-1)?.policies[0]?.policy.spec.dryRun === true);
    await rm(join(folder, 'gold.yaml'));
    await waitUntil(() => names()?.join() === 'silver');
  });

  it('takes a policy out of work while its file is broken, and back in once it is corrected', async () => {
    await write('gold.yaml', document('gold'));
    await write('silver.yaml', document('silver'));
    await open();
    await write('gold.yaml', document('gold', '{nope: 1}'));
    await waitUntil(() => names()?.join() === 'silver');
    expect(told.at(-1)?.problems).toMatchObject([{ name: 'gold', message: expect.stringContaining('spec.nope is no field') }]);
    await write('gold.yaml', document('gold'));
    await waitUntil(() => names()?.join() === 'gold,silver');
    expect(told.at(-1)?.problems).toEqual([]);
  });

  it('refuses a name that is used twice, everywhere that it is used', async () => {
    await write('a.yaml', document('gold'));
    await write('b.yaml', document('gold', '{dryRun: true}'));
    await write('c.yaml', document('silver'));
    await open();
    expect(names()).toEqual(['silver']);
    expect(told.at(-1)?.problems).toMatchObject([{ name: 'gold', message: expect.stringContaining('a.yaml and') }]);
  });

  it('refuses the name of an erasure coding policy that is used twice, and lets each kind have its own names', async () => {
    const ec = (name: string) => document(name).replace('StoragePolicy', 'ErasureCodingPolicy');
    await write('a.yaml', `${document('gold')}---\n${ec('gold')}`);
    await write('b.yaml', `${ec('twice')}---\n${ec('twice')}`);
    await open();
    expect(names()).toEqual(['gold']);
    expect(told.at(-1)?.ecPolicies.map(({ name }) => name)).toEqual(['gold']);
    expect(told.at(-1)?.problems).toMatchObject([
      { name: 'twice', kind: 'ErasureCodingPolicy', message: expect.stringContaining('is used 2 times') },
    ]);
  });

  it('follows the symlinks that a mounted ConfigMap swaps', async () => {
    const version = async (name: string, spec: string): Promise<void> => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'gold.yaml'), document('gold', spec));
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await version('..2026_1', '{}');
    await symlink(join('..data', 'gold.yaml'), join(folder, 'gold.yaml'));
    await open();
    expect(names()).toEqual(['gold']);
    await version('..2026_2', '{dryRun: true}');
    await waitUntil(() => told.at(-1)?.policies[0]?.policy.spec.dryRun === true);
  });

  it('does not take in a file that is still being written', async () => {
    await write('gold.yaml', document('gold'));
    await open();
    // Written more often than read: every reading finds another half of the file.
    const text = document('gold', `{dryRun: true} # ${'x'.repeat(50)}`);
    for (let length = 10; length < text.length; length += 2) {
      await write('gold.yaml', text.slice(0, length));
      await sleep(20);
    }
    await write('gold.yaml', text);
    await waitUntil(() => told.at(-1)?.policies[0]?.policy.spec.dryRun === true);
    expect(told.map(({ problems }) => problems.length)).toEqual([0, 0]);
  });

  it('says so where the folder cannot be read, and picks it up when it is there', async () => {
    await rm(folder, { recursive: true });
    await open();
    expect(told.at(-1)).toMatchObject({
      policies: [],
      problems: [{ message: expect.stringContaining('Create it, or correct --policy-dir (POLICY_DIR)') }],
    });
    await mkdir(folder);
    await write('gold.yaml', document('gold'));
    await waitUntil(() => names()?.join() === 'gold');
  });
});
