/** The system on a Mayastor that is too old to be steered: it measures, decides and explains, and moves nothing. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SystemStatus } from '@couchestor/cli/client/gather-status';
import type { StackFile } from '@couchestor/cli/stack/stack-file';
import { explainVolume, listPolicies } from '@couchestor/shared/contracts/brain';
import { listMoves, showMove } from '@couchestor/shared/contracts/migrator';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { couchestor, json, type Running, start } from './couchestor.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const startTimeoutMs = 120_000;
const decideTimeoutMs = 60_000;
const upgrade = 'Upgrade to Mayastor 2.10 (OpenEBS 4.4) or newer';

let dataDir: string;
let up: Running;

const at = (): string[] => ['--data-dir', dataDir];
const moves = async () => listMoves.response.parse(await json(['migrations', ...at()]));
const explain = async () => explainVolume.response.parse(await json(['explain', 'orders-db', ...at()]));

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'couchestor-e2e-'));
  up = start(['up', ...at(), '--scenario', fixture('mayastor-2.9.yaml'), '--policies', fixture('policies')]);
  await up.saw('up after', startTimeoutMs);
}, startTimeoutMs);

afterAll(async () => {
  up.child.kill('SIGINT');
  await up.ended;
  await rm(dataDir, { recursive: true, force: true });
});

it('decides by the numbers, and the migrator refuses the move, saying what to upgrade', async () => {
  await waitUntil(async () => (await moves()).finished.length > 0, { timeoutMs: decideTimeoutMs, intervalMs: 500 });
  const [refused] = (await moves()).finished;
  expect(refused).toMatchObject({ from: 'cold', to: 'hot', result: { outcome: 'refused', code: 'REFUSED_UNSUPPORTED_MAYASTOR' } });
  expect(refused?.result?.message).toContain(upgrade);
  const { story } = showMove.response.parse(await json(['migrations', 'show', refused?.moveId ?? '', ...at()]));
  expect(story.filter(({ call }) => call !== undefined)).toEqual([]);

  await waitUntil(async () => (await explain()).volume.decision?.rule === 'REFUSED', { timeoutMs: decideTimeoutMs, intervalMs: 500 });
  const { volume } = await explain();
  expect(volume.decision).toMatchObject({ verb: 'blocked', to: 'hot', reason: expect.stringContaining(upgrade) });
  expect(volume.decision?.sample?.status).toBe('measured');
}, 150_000);

it('says so of the policy and in the status', async () => {
  const { policies } = listPolicies.response.parse(await json(['policies', ...at()]));
  expect(policies).toMatchObject([{ name: 'tiering', phase: 'Active' }]);
  const conditions = Object.fromEntries((policies[0]?.conditions ?? []).map((condition) => [condition.type, condition]));
  expect(conditions['Unsupported']).toMatchObject({ status: 'True', reason: 'NoPoolCordon', message: expect.stringContaining(upgrade) });
  expect(conditions['Ready']).toMatchObject({ status: 'False', reason: 'Unsupported' });
  const status = (await json(['status', ...at()])) as SystemStatus;
  // Nothing is ill: it is the cluster that cannot be steered.
  expect(status).toMatchObject({ healthy: true, attention: [{ policy: 'tiering', text: expect.stringMatching(/^Unsupported: .*2\.10/) }] });
  expect((await couchestor(['status', ...at()])).stdout).toContain(upgrade);
});

it('has not changed anything in Mayastor', async () => {
  const { code, stdout } = await couchestor(['doctor', ...at()]);
  // What is left in Mayastor: nothing. What is wrong with it: its version.
  expect(stdout).toContain('Nothing of ours is left in Mayastor.');
  expect(stdout).toMatch(/problem +mayastor-version +no pool cordon/);
  expect(code).toBe(1);
  const { adminUrl, mayastorUrl } = JSON.parse(await readFile(join(dataDir, 'stack.json'), 'utf8')) as StackFile;
  const stats = (await (await fetch(`${adminUrl}/stats`)).json()) as { volumes: Record<string, { replicas: { pool: string }[] }> };
  expect(Object.values(stats.volumes).map(({ replicas }) => replicas.map(({ pool }) => pool))).toEqual([['cold-2']]);
  const pools = (await (await fetch(`${mayastorUrl}/v0/pools`)).json()) as { spec: { labels: Record<string, string> } }[];
  expect(
    pools.flatMap(({ spec }) => Object.keys(spec.labels).filter((key) => key.startsWith('couchestor-') && key !== 'couchestor-managed')),
  ).toEqual([]);
});
