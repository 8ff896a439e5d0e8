/** The doctor at a simulated cluster's real REST API, with NATS away, empty, or with a move in its journal. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import { scenarioWith } from '@couchestor/mayastor-simulator/domain/cluster.fixture';
import { createRestApi } from '@couchestor/mayastor-simulator/handlers/rest-api';
import { openWithFiles, volumeNamed } from '@couchestor/mayastor-simulator/simulator.fixture';
import { connectBus } from '@couchestor/shared/bus/connect';
import { gateLockName, journalBucket, lockBucket } from '@couchestor/shared/contracts/migrator';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { gateCordonFlags } from '@couchestor/shared/mayastor/undo-gates';
import { formatGateMark, formatVolumeMark, gateMarkKey, nodeCordonLabel, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { someMoveRequest, someOpenMove } from '@couchestor/shared/testing/facts';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findingsOf } from '../doctor/findings.ts';
import { readCluster, readJournal } from '../doctor/look.ts';
import { undoGates } from '../doctor/undo-gates.ts';
import { CliError } from '../errors.ts';
import { painter } from '../terminal/ansi.ts';
import { doctor } from './doctor.ts';

const moveId = 'm0123456789abcdef';
const nobody = 'nats://127.0.0.1:1';
const dataDir = '/nonexistent';

let simulator: ReturnType<typeof openWithFiles>;
let app: ReturnType<typeof createRestApi>;
let url: string;
let mayastor: MayastorClient;
let volumeId: string;

beforeEach(async () => {
  simulator = openWithFiles(scenarioWith());
  app = createRestApi({ call: (request) => simulator.engine.call(request) });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
  mayastor = new MayastorClient({ url, requestTimeoutMs: 2_000 });
  volumeId = volumeNamed(simulator).uuid;
});

afterEach(async () => {
  await mayastor.close();
  await app.close();
  simulator.close();
});

async function run(...argv: string[]): Promise<{ code: number; out: string; notes: string }> {
  const out: string[] = [];
  const notes: string[] = [];
  const output = {
    paint: painter(false),
    columns: undefined,
    print: (line: string) => void out.push(line),
    note: (line: string) => void notes.push(line),
  };
  const code = await doctor.run({ argv: [...argv, '--mayastor-url', url, '--data-dir', dataDir, '--timeout', '2s'], env: {}, output });
  return { code, out: out.join('\n'), notes: notes.join('\n') };
}

/** What a migrator leaves that dies between growing a volume and lifting its cordons, and another one in the middle of a biased removal. */
async function leaveEverything(): Promise<void> {
  for (const pool of ['hot-n4', 'cold-n3', 'cold-n4']) {
    await mayastor.labelPool(pool, { key: gateMarkKey, value: formatGateMark({ kind: 'cordon', moveId }), overwrite: false });
    await mayastor.cordonPool(pool, gateCordonFlags);
  }
  const mark = formatVolumeMark({ moveId, originalReplicas: 2, kept: false });
  await mayastor.labelPool('hot-n3', { key: volumeMarkKey(volumeId), value: mark, overwrite: false });
  await mayastor.setReplicaCount(volumeId, 3);
  const hidden = formatGateMark({ kind: 'label', moveId, key: 'couchestor', value: 'true' });
  await mayastor.labelPool('hot-n1', { key: gateMarkKey, value: hidden, overwrite: false });
  await mayastor.unlabelPool('hot-n1', 'couchestor');
  await mayastor.cordonNode('n2', nodeCordonLabel(moveId));
  // An administrator's.
  await mayastor.cordonNode('n2', 'maintenance');
  await mayastor.cordonPool('hot-n2', gateCordonFlags);
}

function administrators(): { pools: string[]; nodes: string[] } {
  const { pools, nodes } = simulator.engine.cluster;
  return {
    pools: Object.values(pools).flatMap(({ id, cordon }) => (cordon.replicas ? [id] : [])),
    nodes: Object.values(nodes).flatMap(({ id, cordonLabels }) => cordonLabels.map((label) => `${id} ${label}`)),
  };
}

/** An API server with one Lease, which is free, and a kubeconfig for it. */
async function leasesOnly(): Promise<{ api: Server; kubeconfig: string; writes: { at: string; holder: string }[] }> {
  interface Stored {
    metadata: Record<string, unknown>;
    spec: { holderIdentity: string };
  }
  let lease: Stored = {
    metadata: {
      name: 'couchestor-gate',
      namespace: 'couchestor-system',
      uid: 'u',
      resourceVersion: '100',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { holderIdentity: '' },
  };
  const writes: { at: string; holder: string }[] = [];
  const api = createServer(async (request, response) => {
    if (request.url?.includes('/leases') && request.method !== 'GET') {
      const given = (await json(request)) as Stored;
      lease = { ...given, metadata: { ...given.metadata, resourceVersion: String(writes.length + 101) } };
      writes.push({ at: request.url, holder: given.spec.holderIdentity });
    }
    const found = request.url?.includes('/leases') ? lease : undefined;
    const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', message: 'not found', code: 404 };
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? missing));
  });
  await new Promise<void>((resolve) => void api.listen(0, '127.0.0.1', resolve));
  const kubeconfig = join(await mkdtemp(join(tmpdir(), 'couchestor-doctor-')), 'config');
  const server = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const file = {
    'current-context': 'it',
    contexts: [{ name: 'it', context: { cluster: 'it' } }],
    clusters: [{ name: 'it', cluster: { server } }],
  };
  await writeFile(kubeconfig, JSON.stringify(file));
  return { api, kubeconfig, writes };
}

describe('with Mayastor alone', () => {
  it('says that a cluster at rest is clean', async () => {
    const { code, out } = await run('--nats-url', nobody);
    expect(code).toBe(0);
    expect(out).toContain('Nothing of ours is left in Mayastor.');
    expect(out).toContain('NATS      away, open moves are not known (nobody listens at nats://127.0.0.1:1)');
  });

  it('tells everything that is left and changes nothing', async () => {
    await leaveEverything();
    const { code, out } = await run('--nats-url', nobody, '--json');
    expect(code).toBe(1);
    const found = JSON.parse(out) as { gates: { where: string }[] };
    expect(found).toMatchObject({
      clean: false,
      nats: { state: 'away' },
      volumes: [{ volumeId, moveId, originalReplicas: 2, numReplicas: 3, extra: { pool: 'hot-n3', node: 'n3' }, removal: [] }],
      foreignCordons: ['pool hot-n2', 'node n2 (maintenance)'],
    });
    expect(found.gates.map(({ where }) => where).sort()).toEqual(['node n2', 'pool cold-n3', 'pool cold-n4', 'pool hot-n1', 'pool hot-n4']);
    expect(administrators().pools).toEqual(['hot-n2', 'hot-n4', 'cold-n3', 'cold-n4']);
  });

  it('undoes nothing without being forced, for a migrator may be at work that NATS would tell of', async () => {
    await leaveEverything();
    const undoing = run('--nats-url', nobody, '--undo-gates');
    await expect(undoing).rejects.toThrow(
      /CLI_MOVES_UNKNOWN.*--nats-url.*--force.*NATS is away: nobody listens at nats:\/\/127\.0\.0\.1:1/,
    );
    expect(administrators().pools).toEqual(['hot-n2', 'hot-n4', 'cold-n3', 'cold-n4']);
  });

  it('takes the Lease of the gate, where the migrators keep one, and lets go of it', async () => {
    await leaveEverything();
    const { api, kubeconfig, writes } = await leasesOnly();
    try {
      const coordination = ['--coordination', 'kubernetes', '--kubeconfig', kubeconfig];
      const { out } = await run('--nats-url', nobody, '--undo-gates', '--force', ...coordination);
      expect(out).toContain('undone  uncordon pool cold-n3: done');
      expect(writes.map(({ at }) => at)).toEqual(
        writes.map(() => '/apis/coordination.k8s.io/v1/namespaces/couchestor-system/leases/couchestor-gate'),
      );
      expect(writes[0]?.holder).toMatch(/^doctor /);
      expect(writes.at(-1)?.holder).toBe('');
    } finally {
      api.close();
      await rm(dirname(kubeconfig), { recursive: true });
    }
  });

  it('undoes gates and biases by their marks, leaves what is an administrator’s, and tells how to remove the extra replica', async () => {
    await leaveEverything();
    const { code, out } = await run('--nats-url', nobody, '--undo-gates', '--force');
    expect(out).toContain('undone  put label couchestor=true back on pool hot-n1: done');
    expect(out).toContain(`kubectl mayastor scale volume ${volumeId} 2`);
    // The mark of the volume, and the replica that it tells of, are left.
    expect(code).toBe(1);
    expect(administrators()).toEqual({ pools: ['hot-n2'], nodes: ['n2 maintenance'] });
    const { pools, volumes } = simulator.engine.cluster;
    expect(Object.values(pools).every(({ labels }) => labels['couchestor'] === 'true' && labels[gateMarkKey] === undefined)).toBe(true);
    expect(volumes[volumeId]?.replicas).toHaveLength(3);

    const again = await run('--nats-url', nobody, '--undo-gates', '--force', '--json');
    expect(JSON.parse(again.out)).toMatchObject({ gates: [], undone: [], clean: false });
  });

  it('keeps the mark of a cordon that could not be lifted, and undoes the rest', async () => {
    await leaveEverything();
    await app.close();
    app = createRestApi({
      call: async (request) =>
        request.method === 'DELETE' && request.path === '/v0/pools/cold-n3/cordon'
          ? { status: 500, body: { details: 'no', message: 'no', kind: 'Internal' }, delayMs: 0 }
          : simulator.engine.call(request),
    });
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    const { code, out } = await run('--nats-url', nobody, '--undo-gates', '--force', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ gates: [{ where: 'pool cold-n3', what: 'cordoned' }] });
    expect(administrators().pools).toEqual(['hot-n2', 'cold-n3']);
  });

  it('says where Mayastor was looked for, when it does not answer, and what it does not know then', async () => {
    await app.close();
    const { code, out } = await run('--nats-url', nobody);
    expect(code).toBe(1);
    expect(out).toMatch(/problem +mayastor .*MAYASTOR_UNREACHABLE.*--mayastor-url/);
    expect(out).toMatch(/not checked +pinned-volumes +Mayastor does not answer/);
    expect(out).toContain('Whether anything of ours is left in Mayastor is not known.');
    await expect(run('--nats-url', nobody, '--undo-gates')).rejects.toThrow(/MAYASTOR_UNREACHABLE/);
  });
});

describe('with NATS', () => {
  const leaseMs = 1_500;
  let nats: TestServer;

  beforeAll(async () => {
    nats = await startTestNats();
  });

  afterAll(() => nats.stop());

  afterEach(async () => {
    await nats.wipe();
    await nats.restart();
  });

  const connect = () => connectBus({ url: nats.url, name: 'migrator', logger: quietLogger() });

  /** As the command does it, with a lease that a test can wait for. */
  async function undo(force = false) {
    const values = { natsUrl: nats.url, dataDir, timeoutMs: 2_000, json: false };
    const journal = await readJournal({ values, env: {} });
    if (journal.kind !== 'read') {
      throw new Error(`the journal is ${journal.kind}: ${journal.why}`);
    }
    try {
      const look = async () => findingsOf(await readCluster(mayastor), journal.open).gates;
      const coordination = { coordination: 'nats', kubeconfig: undefined, podNamespace: '', env: {} } as const;
      return await undoGates({ mayastor, look, journal, coordination, force, callTimeoutMs: 300, leaseMs, tell: () => undefined });
    } finally {
      await journal.client.bus.close();
    }
  }

  it('that is empty undoes the same, under the gate lock', async () => {
    await leaveEverything();
    const undone = await undo();
    expect(undone).toHaveLength(9);
    expect(undone.every(({ ok }) => ok)).toBe(true);
    expect(administrators()).toEqual({ pools: ['hot-n2'], nodes: ['n2 maintenance'] });
    const bus = await connect();
    expect((await bus.bucket(lockBucket).get(gateLockName))?.value).toMatchObject({ released: true });
    await bus.close();
  });

  it('that has an open move explains what belongs to it, and refuses to undo it unless told to', async () => {
    await leaveEverything();
    const bus = await connect();
    await bus.bucket(journalBucket).create(volumeId, someOpenMove({ request: someMoveRequest({ moveId, volumeId }), step: 'scale-up' }));
    const report = await run('--nats-url', nats.url, '--json');
    expect(report.code).toBe(0);
    expect(JSON.parse(report.out)).toMatchObject({ clean: true, nats: { state: 'read', open: [{ moveId, step: 'scale-up' }] } });
    await expect(undo()).rejects.toThrow(/GATES_IN_USE.*1 open: move m0123456789abcdef.*scale-up/);
    expect(administrators().pools).toHaveLength(4);
    expect(await undo(true)).toHaveLength(9);
    expect(administrators()).toEqual({ pools: ['hot-n2'], nodes: ['n2 maintenance'] });
    await bus.close();
  });

  it('refuses while a migrator holds the gate, names it, and waits for one that has died', async () => {
    await leaveEverything();
    const bus = await connect();
    const bucket = bus.bucket(lockBucket);
    const record = { holder: 'migrator elsewhere 4711', leaseMs: 1_000, renewals: 0, released: false };
    let held = await bucket.create(gateLockName, record);
    const renewing = setInterval(async () => {
      held = (held && (await bucket.update(gateLockName, { ...record, renewals: held.value.renewals + 1 }, held.revision))) ?? held;
    }, 250);
    await expect(undo()).rejects.toSatisfy((error) => CliError.is(error, 'GATES_IN_USE') && /migrator elsewhere 4711/.test(String(error)));
    clearInterval(renewing);
    expect(await undo()).toHaveLength(9);
    await bus.close();
  });
});
