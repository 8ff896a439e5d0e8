/** One local stack, started and used as a person does it, with its services killed under it. The tests follow one another. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SystemStatus } from '@couchestor/cli/client/gather-status';
import type { StackFile } from '@couchestor/cli/stack/stack-file';
import { explainVolume, listPolicies, retryVolume, volumeViewSchema } from '@couchestor/shared/contracts/brain';
import { cancelMove, listMoves, showMove } from '@couchestor/shared/contracts/migrator';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { couchestor, isAlive, json, type Running, start } from './couchestor.ts';
import { publishRaw } from './nats-publish.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const startTimeoutMs = 120_000;
const moveTimeoutMs = 90_000;

let dataDir: string;
let up: Running;

const at = (): string[] => ['--data-dir', dataDir];

function startUp(...more: string[]): Running {
  return start(['up', ...at(), '--scenario', fixture('stack.yaml'), '--policies', fixture('policies'), ...more]);
}

async function stack(): Promise<StackFile> {
  return JSON.parse(await readFile(join(dataDir, 'stack.json'), 'utf8')) as StackFile;
}

async function status(): Promise<SystemStatus> {
  return (await json(['status', ...at()])) as SystemStatus;
}

async function pidOf(name: string): Promise<number | undefined> {
  return (await stack()).processes.find((process) => process.name === name)?.pid;
}

async function moves() {
  return listMoves.response.parse(await json(['migrations', ...at()]));
}

async function explain(volume: string) {
  return explainVolume.response.parse(await json(['explain', volume, ...at()]));
}

async function setLoad(volume: string, iops: number): Promise<void> {
  const answer = await fetch(`${(await stack()).adminUrl}/volumes/${volume}/load`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ load: [{ forSeconds: 600, iops }] }),
  });
  expect(answer.status).toBe(200);
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'couchestor-e2e-'));
  up = startUp();
  await up.saw('up after', startTimeoutMs);
}, startTimeoutMs);

afterAll(async () => {
  up.child.kill('SIGINT');
  await up.ended;
  await rm(dataDir, { recursive: true, force: true });
});

describe('a running stack', () => {
  it('shows every service as ready, with a metrics endpoint of its own', async () => {
    const { healthy, services } = await status();
    expect(healthy).toBe(true);
    expect(services.map(({ name, state }) => [name, state])).toEqual(
      ['mayastor-simulator', 'metrics-watcher', 'policy-brain', 'migrator', 'ec-encoder'].map((name) => [name, 'ready']),
    );
    for (const { name, metricsUrl } of (await stack()).services) {
      const metrics = await fetch(`${metricsUrl}/metrics`);
      expect(await metrics.text(), name).toContain('process_cpu_seconds_total');
    }
  });

  it('keeps a vault, and says of it what it does not survive', async () => {
    const { vaults } = await status();
    expect(vaults).toMatchObject([{ policy: 'local', phase: 'ready', survives: expect.stringContaining('0 disk losses') }]);
    const vault = ['--data-dir', join(dataDir, 'vault')];
    expect((await couchestor(['ec', 'volume', 'create', 'data', '64MiB', ...vault])).code).toBe(0);
    expect((await couchestor(['ec', 'volume', 'list', ...vault])).stdout).toMatch(/^data +64\.0 MiB/m);
  });

  it('refuses a second stack with the same data, and goes on', async () => {
    const second = await startUp().ended;
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('is running already') });
    expect((await status()).healthy).toBe(true);
  });

  it('prints tables for people and the same things as JSON for programs', async () => {
    const { volumes } = (await json(['volumes', ...at()])) as { volumes: unknown };
    expect(
      volumeViewSchema
        .array()
        .parse(volumes)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['billing', 'orders-archive', 'orders-db']);
    const table = await couchestor(['volumes', ...at()]);
    expect(table.stdout).toMatch(/^VOLUME +SIZE +IOPS +TIER +STATUS +POOLS +DECISION$/m);
    expect(table.stdout).toMatch(/^orders-db +32\.0 MiB /m);
    expect(table.stdout).not.toContain('\u001b');

    const { policies } = listPolicies.response.parse(await json(['policies', ...at()]));
    expect(policies).toMatchObject([{ name: 'tiering', phase: 'Active', samplingWindow: '8s' }]);
    expect((await couchestor(['policies', ...at()])).stdout).toMatch(/^tiering +Active/m);
  });

  it('says which volumes could have been meant where there is none of that name', async () => {
    expect(await couchestor(['explain', 'orders-bd', ...at()])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did you mean: orders-db'),
    });
    const ambiguous = await couchestor(['explain', 'orders', ...at()]);
    expect(ambiguous.code).toBe(1);
    expect(ambiguous.stderr).toContain('orders-db');
    expect(ambiguous.stderr).toContain('orders-archive');
  });

  it('tells a volume that cannot move why, in words that can be acted on', async () => {
    await waitUntil(async () => (await explain('billing')).volume.decision?.verb === 'blocked', {
      timeoutMs: moveTimeoutMs,
      intervalMs: 500,
    });
    const { stdout } = await couchestor(['explain', 'billing', ...at()]);
    expect(stdout).toMatch(/because +.*200/);
    expect(stdout).toContain('Recreate it from a StorageClass');
  });

  it('finishes a move through whose middle every service is killed', async () => {
    const openMove = async (): Promise<string | undefined> =>
      (await moves()).open.find(({ from, to }) => from === 'cold' && to === 'hot')?.moveId;
    await waitUntil(async () => (await openMove()) !== undefined, { timeoutMs: moveTimeoutMs, intervalMs: 300 });
    const moveId = await openMove();
    for (const name of ['metrics-watcher', 'policy-brain', 'mayastor-simulator', 'migrator']) {
      expect(
        (await moves()).open.map((move) => move.moveId),
        `open when ${name} is killed`,
      ).toContain(moveId);
      const pid = await pidOf(name);
      expect(pid).toBeDefined();
      process.kill(pid ?? 0, 'SIGKILL');
      await waitUntil(async () => ((await pidOf(name)) ?? pid) !== pid, { timeoutMs: 20_000, what: `${name} runs again` });
    }
    await waitUntil(async () => (await couchestor(['status', ...at()])).code === 0, {
      timeoutMs: 60_000,
      intervalMs: 200,
      what: 'every service is well again',
    });
    await waitUntil(async () => (await moves()).finished.some((move) => move.moveId === moveId), {
      timeoutMs: moveTimeoutMs,
      intervalMs: 500,
    });
    const { move, story } = showMove.response.parse(await json(['migrations', 'show', moveId ?? '', ...at()]));
    expect(move.result).toMatchObject({ outcome: 'success', replicasMoved: 2 });
    expect(story.map(({ step }) => step)).toEqual(expect.arrayContaining(['scale-up', 'wait-sync', 'scale-down']));
    expect(story.filter(({ text }) => text.startsWith('Run by')).length).toBeGreaterThanOrEqual(2);
    expect(story.find(({ text }) => text === 'set num_replicas to 3')?.call).toBeDefined();
    for (const name of ['metrics-watcher', 'policy-brain', 'mayastor-simulator', 'migrator']) {
      expect(up.stdout()).toContain(`${name} died (SIGKILL)`);
    }
  }, 200_000);

  it('has lost no byte and no redundancy by then', async () => {
    const { adminUrl } = await stack();
    const answer = await fetch(`${adminUrl}/verify`, { method: 'POST' });
    const found = (await answer.json()) as { bytesVerified: number };
    expect(found).toMatchObject({ corrupt: 0, corruptReads: 0, underReplicatedMs: 0 });
    expect(found.bytesVerified).toBeGreaterThan(64 * 1024 * 1024);
    expect(await couchestor(['doctor', ...at()])).toMatchObject({ code: 0, stdout: expect.stringMatching(/\d open move/) });
  });

  it('starts its servers again on the same ports when they are killed', async () => {
    for (const name of ['nats', 'redis', 'prometheus']) {
      process.kill((await pidOf(name)) ?? 0, 'SIGKILL');
    }
    await up.saw(/(runs again[\s\S]*){7}/, 30_000);
    await waitUntil(async () => (await couchestor(['status', ...at()])).code === 0, { timeoutMs: 30_000, intervalMs: 300 });
  });

  it('cancels a move and leaves its volume as it was', async () => {
    await setLoad('orders-archive', 400);
    await waitUntil(async () => (await explain('orders-archive')).volume.pending?.step === 'wait-sync', {
      timeoutMs: moveTimeoutMs,
      intervalMs: 300,
    });
    // So that it is not requested anew.
    await setLoad('orders-archive', 5);
    const { moveId } = cancelMove.response.parse(await json(['migrations', 'cancel', 'orders-archive', ...at()]));
    await waitUntil(async () => (await moves()).finished.some((move) => move.moveId === moveId), {
      timeoutMs: moveTimeoutMs,
      intervalMs: 500,
    });
    const { move } = showMove.response.parse(await json(['migrations', 'show', moveId, ...at()]));
    expect(move.result?.outcome).toBe('aborted');
    const { volume } = await explain('orders-archive');
    expect(volume).toMatchObject({ numReplicas: 1, pools: [{ pool: 'cold-4' }] });
  }, 150_000);

  it('lets a refused volume try again when a person asks for it', async () => {
    const answer = retryVolume.response.parse(await json(['migrations', 'retry', 'billing', ...at()]));
    expect(answer.volumeId).toBe((await explain('billing')).volume.volumeId);
  });

  it('keeps a message that nobody understands, and can replay it', async () => {
    await publishRaw({ natsUrl: (await stack()).natsUrl, subject: 'couchestor.migration.requested', payload: 'not even JSON' });
    const list = async () => (await json(['dead-letters', ...at()])) as { total: number; deadLetters: { sequence: number }[] };
    await waitUntil(async () => (await list()).total === 1, { timeoutMs: 20_000, intervalMs: 300 });
    const [letter] = (await list()).deadLetters;
    expect(letter).toMatchObject({ data: 'not even JSON' });
    expect(await json(['dead-letters', 'replay', 'all', ...at()])).toEqual({ replayed: [letter?.sequence], failed: [] });
    // It is as little understood as before, so it comes back, under a number of its own.
    await waitUntil(async () => (await list()).deadLetters.some(({ sequence }) => sequence !== letter?.sequence), {
      timeoutMs: 20_000,
      intervalMs: 300,
    });
  });

  it('reports a policy that cannot be read by its file and field, and goes on with the others', async () => {
    const file = join(dataDir, 'policies', 'broken.yaml');
    await writeFile(
      file,
      'apiVersion: storage.billyronks.io/v1\nkind: StoragePolicy\nmetadata: { name: broken }\nspec: { highWatermarkIOPS: lots }\n',
    );
    const policies = async () => listPolicies.response.parse(await json(['policies', ...at()])).policies;
    await waitUntil(async () => (await policies()).some(({ phase }) => phase === 'Error'), { timeoutMs: 20_000, intervalMs: 300 });
    const found = await policies();
    expect(found.find(({ phase }) => phase === 'Error')).toMatchObject({ source: file });
    expect(JSON.stringify(found)).toContain('highWatermarkIOPS');
    expect(found.find(({ name }) => name === 'tiering')?.phase).toBe('Active');
    expect((await couchestor(['status', ...at()])).stdout).toContain('highWatermarkIOPS');
  });
});

describe('Ctrl-C', () => {
  it('ends everything that was started within five seconds, and nothing is left', async () => {
    const { processes } = await stack();
    expect(processes.map(({ name }) => name)).toEqual([
      'nats',
      'redis',
      'prometheus',
      'mayastor-simulator',
      'metrics-watcher',
      'policy-brain',
      'migrator',
      'ec-encoder',
    ]);
    const beganMs = performance.now();
    up.child.kill('SIGINT');
    const { code, stderr } = await up.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    expect(processes.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect(await couchestor(['status', ...at()])).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing is running') });
  });

  it(
    'is followed by a second start that knows what the first one did, and ends with its supervisor even when that is killed',
    async () => {
      up = startUp();
      await up.saw('up after', startTimeoutMs);
      // Five on a machine that does nothing else; tests share theirs.
      expect(Number(/up after ([\d.]+) s/.exec(up.stdout())?.[1])).toBeLessThan(10);
      const { finished } = await moves();
      expect(finished.map(({ result }) => result?.outcome)).toEqual(expect.arrayContaining(['success', 'aborted', 'refused']));
      const { processes, supervisor } = await stack();
      process.kill(supervisor.pid, 'SIGKILL');
      await waitUntil(() => processes.every(({ pid }) => !isAlive(pid)), {
        timeoutMs: 60_000,
        what: 'all children of a killed supervisor end',
      });
      up = startUp();
      await up.saw('up after', startTimeoutMs);
      expect((await couchestor(['ec', 'volume', 'list', '--data-dir', join(dataDir, 'vault')])).stdout).toMatch(/^data +64\.0 MiB/m);
    },
    startTimeoutMs,
  );
});
