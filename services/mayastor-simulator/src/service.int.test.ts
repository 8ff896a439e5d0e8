import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { afterEach, describe, expect, it } from 'vitest';
import { smallScenario } from './domain/cluster.fixture.ts';
import { temporaryFolder } from './simulator.fixture.ts';

const main = join(import.meta.dirname, 'main.ts');
const scenario = {
  ...smallScenario,
  rebuildBytesPerSecond: '2MiB',
  operationMs: 20,
  volumes: smallScenario.volumes.map((volume) => ({
    ...volume,
    filledPercent: 30,
    load: [{ forSeconds: 600, iops: 1500, readFraction: 0.2 }],
  })),
};

interface Running {
  readonly process: ChildProcess;
  readonly rest: string;
  readonly exporter: string;
  readonly admin: string;
}

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL');
  }
});

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function startProcess(folder: string): Promise<Running> {
  const [rest, exporter, admin] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`) as [string, string, string];
  const flags = [
    '--listen',
    rest,
    '--exporter-addr',
    exporter,
    '--admin-addr',
    admin,
    '--metrics-addr',
    '127.0.0.1:0',
    '--health-addr',
    '127.0.0.1:0',
  ];
  const files = ['--data-dir', join(folder, 'data'), '--scenario', join(folder, 'scenario.json')];
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...flags, ...files], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let output = '';
  child.stdout?.on('data', (data) => {
    output += data;
  });
  child.stderr?.on('data', (data) => {
    output += data;
  });
  await waitUntil(
    () => {
      const answers = fetch(`http://${rest}/v0/nodes`).then(
        (answer) => answer.ok,
        () => false,
      );
      return child.exitCode !== null || answers;
    },
    { timeoutMs: 20_000, what: 'the simulator to answer' },
  );
  if (child.exitCode !== null) {
    throw new Error(`the simulator ended: ${output}`);
  }
  return { process: child, rest: `http://${rest}/v0`, exporter: `http://${exporter}`, admin: `http://${admin}` };
}

const json = async (url: string, init?: RequestInit) => (await (await fetch(url, init)).json()) as Record<string, never>;

describe('the simulator as a process', () => {
  it('survives kill -9 in mid-rebuild with every acknowledged byte', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'scenario.json'), JSON.stringify(scenario));
    const first = await startProcess(folder);
    const { entries } = (await json(`${first.rest}/volumes?max_entries=0`)) as unknown as { entries: { spec: { uuid: string } }[] };
    const uuid = entries[0]?.spec.uuid ?? '';
    const volume = async (running: Running) =>
      (await json(`${running.rest}/volumes/${uuid}`)) as unknown as import('./domain/cluster.fixture.ts').VolumeBody;
    expect((await fetch(`${first.rest}/volumes/${uuid}/replica_count/3`, { method: 'PUT' })).status).toBe(200);
    await waitUntil(async () => ((await volume(first)).state.target?.children.at(-1)?.rebuildProgress ?? 0) >= 30, {
      timeoutMs: 20_000,
      what: 'a third of the rebuild',
    });
    expect(await (await fetch(`${first.exporter}/metrics`)).text()).toContain(`volume_num_write_ops{node="n1",pv_name="pvc-${uuid}"}`);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');

    const second = await startProcess(folder);
    const found = await volume(second);
    expect(found.spec.num_replicas).toBe(3);
    expect(Object.keys(found.state.replica_topology)).toHaveLength(3);
    await waitUntil(async () => (await volume(second)).state.status === 'Online', { timeoutMs: 20_000, what: 'the end of the rebuild' });
    const verification = await json(`${second.admin}/verify`, { method: 'POST' });
    expect(verification).toMatchObject({
      corrupt: 0,
      corruptReads: 0,
      replicasVerified: 3,
      bytesVerified: 3 * 8 * 1024 * 1024,
      underReplicatedMs: 0,
    });

    second.process.kill('SIGTERM');
    const [code] = await once(second.process, 'exit');
    expect(code).toBe(0);
    expect(() => readFileSync(join(folder, 'data', 'owner.pid'))).toThrow('ENOENT');
  }, 60_000);

  it('ends with one message that names file, field and cure where the scenario is wrong', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'scenario.json'), JSON.stringify({ ...scenario, pools: [{ id: 'p', node: 'nowhere', capacityBytes: 1 }] }));
    await expect(startProcess(folder)).rejects.toThrow(
      /scenario\.json.*pools\[0\]\.node: names node .*nowhere.*, which nodes\[\] does not list/s,
    );
  }, 30_000);
});
