/** The uninstaller at a simulated cluster's real REST API, with NATS away, or with moves in its journal. */
import { scenarioWith } from '@couchestor/mayastor-simulator/domain/cluster.fixture';
import { createRestApi } from '@couchestor/mayastor-simulator/handlers/rest-api';
import { openWithFiles, volumeNamed } from '@couchestor/mayastor-simulator/simulator.fixture';
import { type Bus, connectBus } from '@couchestor/shared/bus/connect';
import { listPolicies } from '@couchestor/shared/contracts/brain';
import { cancelMove, journalBucket } from '@couchestor/shared/contracts/migrator';
import { describeError } from '@couchestor/shared/errors';
import type { KubeApi } from '@couchestor/shared/kubernetes/api';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import { gateCordonFlags } from '@couchestor/shared/mayastor/undo-gates';
import { formatGateMark, formatVolumeMark, gateMarkKey, nodeCordonLabel, volumeMarkKey } from '@couchestor/shared/placement/marks';
import { someMoveRequest, someOpenMove } from '@couchestor/shared/testing/facts';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { startTestNats, type TestServer } from '@couchestor/shared/testing/servers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeJournal, openCluster, readJournal } from '../doctor/look.ts';
import { painter } from '../terminal/ansi.ts';
import { perform } from '../uninstall/perform.ts';
import { uninstall } from './uninstall.ts';

const moveId = 'm0123456789abcdef';
const nobody = 'nats://127.0.0.1:1';
const forced = ['--nats-url', nobody, '--force'];

interface Outcome {
  readonly clean: boolean;
  readonly openMoves: unknown[];
  readonly done: { words: string; answer: string; ok: boolean }[];
  readonly left: { gates: unknown[]; volumes: { spent: boolean; removal: string[] }[] };
  readonly remains: { what: string; commands: string[] }[];
}

const placeOf = (mayastorUrl: string) => ({ mayastorUrl, mayastorNamespace: 'x', mayastorCaFile: undefined, mayastorTokenFile: undefined });
const someValues = {
  ...{ wait: undefined, deletePolicies: false, deleteCrds: false, timeoutMs: 300, gateLeaseMs: 3_000, env: {} },
  ...({ coordination: 'nats', kubeconfig: undefined, podNamespace: 'x' } as const),
};

let simulator: ReturnType<typeof openWithFiles>;
let app: ReturnType<typeof createRestApi>;
let mayastor: MayastorClient;
let url: string;
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

async function run(...argv: string[]): Promise<{ code: number; out: string; notes: string; outcome: () => Outcome }> {
  const out: string[] = [];
  const notes: string[] = [];
  const output = {
    paint: painter(false),
    columns: undefined,
    print: (line: string) => void out.push(line),
    note: (line: string) => void notes.push(line),
  };
  const common = ['--mayastor-url', url, '--data-dir', '/nonexistent', '--timeout', '2s'];
  const code = await uninstall.run({ argv: [...argv, ...common], env: {}, output });
  return { code, out: out.join('\n'), notes: notes.join('\n'), outcome: () => JSON.parse(out.join('\n')) as Outcome };
}

/** A cordon of ours on a pool and on a node, an administrator's, and the mark of a volume that has its replicas as before. */
async function leaveGates(): Promise<void> {
  await mayastor.labelPool('cold-n3', { key: gateMarkKey, value: formatGateMark({ kind: 'cordon', moveId }), overwrite: false });
  await mayastor.cordonPool('cold-n3', gateCordonFlags);
  await mayastor.cordonNode('n2', nodeCordonLabel(moveId));
  await mayastor.cordonNode('n2', 'maintenance');
  await markVolume(false);
}

async function markVolume(kept: boolean): Promise<void> {
  const value = formatVolumeMark({ moveId, originalReplicas: 2, kept });
  await mayastor.labelPool('hot-n3', { key: volumeMarkKey(volumeId), value, overwrite: false });
}

/** What stands in Mayastor of ours, and what of an administrator's. */
function standing(): string[] {
  const { pools, nodes } = simulator.engine.cluster;
  return [
    ...Object.values(pools).flatMap(({ id, cordon, labels }) => [
      ...(cordon.replicas ? [`${id} cordoned`] : []),
      ...Object.keys(labels).flatMap((key) => (key.startsWith('couchestor-') ? [`${id} ${key}`] : [])),
    ]),
    ...Object.values(nodes).flatMap(({ id, cordonLabels }) => cordonLabels.map((label) => `${id} ${label}`)),
  ];
}

describe('with Mayastor alone', () => {
  it('does nothing without being forced, for a migrator may be at work that NATS would tell of, and says so in a rehearsal too', async () => {
    await leaveGates();
    const before = standing();
    await expect(run('--nats-url', nobody)).rejects.toThrow(/CLI_MOVES_UNKNOWN.*--nats-url.*--force.*NATS is away: nobody listens at/);
    const { code, out } = await run('--nats-url', nobody, '--dry-run');
    expect(code).toBe(1);
    expect(out).toContain('NATS      away, open moves are not known (nobody listens at nats://127.0.0.1:1)');
    expect(out).toContain('Nothing would be done: a migrator may be at work. Give --nats-url, or --force');
    expect(out).not.toMatch(/unmark|uncordon|kubectl|nothing to undo/);
    const rehearsed = (await run('--nats-url', nobody, '--dry-run', '--json')).outcome();
    expect(rehearsed).toMatchObject({ clean: false, movesKnown: false, done: [], remains: [], left: { volumes: [{ spent: false }] } });
    expect(standing()).toEqual(before);
  });

  it('says once that a kubeconfig is not there, and changes nothing', async () => {
    await leaveGates();
    const before = standing();
    const refused = await run(...forced, '--kubeconfig', '/nonexistent/config').catch(describeError);
    expect(String(refused).match(/KUBE_CONFIG/g)).toHaveLength(1);
    expect(standing()).toEqual(before);
  });

  it('undoes all of ours and nothing else, and tells what remains', async () => {
    await leaveGates();
    expect(standing()).toHaveLength(5);
    const { code, out } = await run(...forced);
    expect(standing()).toEqual(['n2 maintenance']);
    expect(code).toBe(0);
    expect(out).toContain('uncordon pool cold-n3');
    expect(out).toContain('kubectl delete namespace couchestor-system');
    expect(out).toContain('Kubernetes was not looked at');
    const again = (await run(...forced, '--json')).outcome();
    expect(again).toMatchObject({ clean: true, done: [] });
  });

  it('does nothing in a rehearsal, and tells the same steps in the same order', async () => {
    await leaveGates();
    const before = standing();
    const rehearsed = await run(...forced, '--dry-run', '--json');
    expect(standing()).toEqual(before);
    expect(rehearsed.code).toBe(1);
    const performed = (await run(...forced, '--json')).outcome();
    expect(rehearsed.outcome().done.map(({ words }) => words)).toEqual(performed.done.map(({ words }) => words));
    expect(rehearsed.outcome().done.every(({ answer }) => answer === 'would be done')).toBe(true);
  });

  it('leaves a replica that a move has added, with its mark and the commands to remove it', async () => {
    await markVolume(true);
    const others = ['hot-n4', 'cold-n3', 'cold-n4'];
    await Promise.all(others.map((pool) => mayastor.cordonPool(pool, gateCordonFlags)));
    await mayastor.setReplicaCount(volumeId, 3);
    await Promise.all(others.map((pool) => mayastor.uncordonPool(pool, gateCordonFlags)));
    const { code, outcome } = await run(...forced, '--json');
    expect(code).toBe(1);
    expect(outcome().left.volumes).toMatchObject([
      { spent: false, removal: expect.arrayContaining([`kubectl mayastor scale volume ${volumeId} 2`]) },
    ]);
    expect(simulator.engine.cluster.volumes[volumeId]?.replicas).toHaveLength(3);
    // Removed by hand: the mark goes the next time.
    await mayastor.setReplicaCount(volumeId, 2);
    expect((await run(...forced)).code).toBe(0);
    expect(standing()).toEqual([]);
  });

  it('tells of what could not be undone, and goes on with the rest', async () => {
    await leaveGates();
    await app.close();
    app = createRestApi({
      call: async (request) =>
        request.method === 'DELETE' && request.path === '/v0/pools/cold-n3/cordon'
          ? { status: 500, body: { details: 'no', message: 'no', kind: 'Internal' }, delayMs: 0 }
          : simulator.engine.call(request),
    });
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    const { code, outcome } = await run(...forced, '--json');
    expect(code).toBe(1);
    expect(
      outcome()
        .done.filter(({ ok }) => !ok)
        .map(({ words }) => words),
    ).toEqual(['uncordon pool cold-n3']);
    expect(standing()).toEqual(['cold-n3 cordoned', `cold-n3 ${gateMarkKey}`, 'n2 maintenance']);
  });
});

describe('deleting definitions', () => {
  /** Kubernetes with one policy. */
  function kubernetes(): { api: KubeApi; removed: string[] } {
    const removed: string[] = [];
    const stub = {
      list: async () => ({ items: [{ metadata: { name: 'p' } }], invalid: [], resourceVersion: '1' }),
      remove: async ({ plural }: { plural: string }, { name }: { name: string }) => void removed.push(`${plural} ${name}`),
    };
    return { api: stub as unknown as KubeApi, removed };
  }

  const performed = async (api: KubeApi) => {
    const opened = await openCluster(placeOf(url), { timeoutMs: 2_000 });
    const values = { ...someValues, force: true, deleteCrds: true };
    const journal = { kind: 'away', why: 'nobody' } as const;
    try {
      return await perform({ values, mayastor: opened, journal, api, policiesDir: undefined, tell: () => undefined });
    } finally {
      await opened.client.close();
    }
  };

  it('comes last', async () => {
    await leaveGates();
    const { api, removed } = kubernetes();
    expect((await performed(api)).done.at(-1)).toMatchObject({
      words: expect.stringMatching(/^delete CustomResourceDefinition/),
      ok: true,
    });
    expect(removed).toEqual(expect.arrayContaining([expect.stringMatching(/^customresourcedefinitions storagepolicies/)]));
  });

  it('does not happen where Mayastor could not be freed before', async () => {
    await leaveGates();
    await app.close();
    app = createRestApi({
      call: async (request) =>
        request.method === 'DELETE' && request.path === '/v0/pools/cold-n3/cordon'
          ? { status: 500, body: { details: 'no', message: 'no', kind: 'Internal' }, delayMs: 0 }
          : simulator.engine.call(request),
    });
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    const { api, removed } = kubernetes();
    const { done } = await performed(api);
    expect(removed).toEqual([]);
    expect(done.at(-1)).toMatchObject({
      words: expect.stringMatching(/^delete CustomResourceDefinition/),
      answer: 'not tried: what comes before it is not done',
      ok: false,
    });
  });
});

describe('with an open move', () => {
  let nats: TestServer;
  let bus: Bus;

  beforeAll(async () => {
    nats = await startTestNats();
  });

  afterAll(() => nats.stop());

  beforeEach(async () => {
    await leaveGates();
    bus = await connectBus({ url: nats.url, name: 'migrator', logger: quietLogger() });
    await bus.bucket(journalBucket).create(volumeId, someOpenMove({ request: someMoveRequest({ moveId, volumeId }), step: 'scale-up' }));
  });

  afterEach(async () => {
    await bus.close();
    await nats.wipe();
    await nats.restart();
  });

  /** A migrator that ends a move as soon as it is cancelled, gates undone. */
  async function serveCancels(): Promise<string[]> {
    const cancelled: string[] = [];
    await bus.serve(cancelMove, async ({ move }) => {
      cancelled.push(move);
      await end();
      return { moveId: move, message: 'It ends.' };
    });
    return cancelled;
  }

  async function end(): Promise<void> {
    const journal = bus.bucket(journalBucket);
    const entry = await journal.get(volumeId);
    if (entry !== undefined) {
      await journal.delete(volumeId, entry.revision);
    }
  }

  it('refuses before it changes anything, and names the move', async () => {
    const before = standing();
    await expect(run('--nats-url', nats.url)).rejects.toThrow(/CLI_MOVES_OPEN.*1 open: move m0123456789abcdef.*scale-up/);
    await expect(run('--nats-url', nats.url, '--wait', '1s')).rejects.toThrow(/CLI_MOVES_OPEN/);
    expect(standing()).toEqual(before);
    const rehearsed = (await run('--nats-url', nats.url, '--dry-run', '--json')).outcome();
    expect(rehearsed.done[0]?.words).toBe(`wait for move ${moveId}, at scale-up`);
    expect(rehearsed.remains.some(({ commands }) => commands.some((command) => command.includes('stream rm --force')))).toBe(true);
  });

  it('says first that a brain runs, and is not content then', async () => {
    await end();
    const brain = await bus.serve(listPolicies, async () => ({ policies: [], ecPolicies: [], windows: [], epoch: 1 }));
    const { out, outcome } = {
      ...(await run('--nats-url', nats.url, '--dry-run')),
      outcome: await run('--nats-url', nats.url, '--dry-run', '--json'),
    };
    await brain.stop();
    expect(out.split('\n')[3]).toBe('policy-brain still runs, and may begin anew at any time: stop it, then run this again.');
    expect(outcome.outcome()).toMatchObject({ brainRuns: true });
    expect(out).toContain('0 open moves');
  });

  /** As the command does it, with a lease that a test can wait for: a store that is new might have forgotten a holder. */
  async function performed(o: { force: boolean; waitMs: number }) {
    const client = { natsUrl: nats.url, dataDir: '/nonexistent', timeoutMs: 2_000, json: false };
    const [opened, journal] = [await openCluster(placeOf(url), client), await readJournal({ values: client, env: {} })];
    const notes: string[] = [];
    const values = { ...someValues, wait: o.waitMs, force: o.force };
    const tell = (text: string): void => void notes.push(text);
    try {
      return {
        ...(await perform({ values, mayastor: opened, journal, api: undefined, policiesDir: undefined, tell })),
        notes: notes.join('\n'),
      };
    } finally {
      await closeJournal(journal);
      await opened.client.close();
    }
  }

  it('waits for its end, and goes on then', async () => {
    const waiting = performed({ force: false, waitMs: 20_000 });
    await end();
    expect(await waiting).toMatchObject({ openMoves: [], left: { gates: [], volumes: [] } });
    expect(standing()).toEqual(['n2 maintenance']);
  });

  it('cancels it by force, once', async () => {
    const cancelled = await serveCancels();
    const { notes } = await performed({ force: true, waitMs: 20_000 });
    expect(cancelled).toEqual([moveId]);
    expect(notes).toContain('It ends.');
    expect(standing()).toEqual(['n2 maintenance']);
  });

  it('without a migrator undoes its gates by force all the same, and says that it is open still', async () => {
    const outcome = await performed({ force: true, waitMs: 600 });
    expect(outcome).toMatchObject({ openMoves: [{ moveId }], left: { gates: [] } });
    // Its mark stays, for a migrator that may still come.
    expect(standing()).toEqual([`hot-n3 ${volumeMarkKey(volumeId)}`, 'n2 maintenance']);
  });
});
