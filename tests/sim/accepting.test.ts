/** What becomes of a requested move before its job runs. */
import { type AcceptDeps, onMigrationRequested } from '@couchestor/migrator/handlers/on-migration-requested';
import type { MoveRequest } from '@couchestor/shared/contracts/migration';
import { beforeEach, describe, expect, it } from 'vitest';
import { type House, house, moveId, request, runToEnd, volumeId } from './house.ts';
import type { SimulatedMigrator } from './simulated-migrator.ts';

let h: House;
let process: SimulatedMigrator;

beforeEach(() => {
  h = house({ seed: 1, replicas: 1 });
  process = h.start();
});

async function ask(o: Partial<AcceptDeps> & { asked?: MoveRequest; publishedAt?: Date } = {}): Promise<void> {
  const { asked = request(), publishedAt = new Date(h.time.now()), ...over } = o;
  await onMigrationRequested({ ...process.accepting(), ...over }, { payload: asked, publishedAt });
}

const openMoves = async (): Promise<string[]> => (await process.deps.journal.open.entries()).map(({ value }) => value.request.moveId);
const told = (): string[] => h.broker.published.map(({ type }) => type);

describe('a requested move', () => {
  it('is journaled before its job is queued, and told as accepted', async () => {
    await ask();
    const entry = await process.deps.journal.open.get(volumeId);
    expect(entry?.value).toMatchObject({ step: 'analyze', attempt: 0, request: { moveId }, scaleDownSent: false });
    expect([...process.jobs]).toEqual([[`${moveId}-0`, { moveId, volumeId }]]);
    expect(h.broker.published).toMatchObject([{ type: 'migration.advanced', payload: { moveId, step: 'analyze' } }]);
  });

  it('asked for again is told again and journaled once, wherever it stands by then', async () => {
    await ask();
    process.jobs.clear();
    await ask();
    expect(await openMoves()).toEqual([moveId]);
    expect([...process.jobs.keys()]).toEqual([`${moveId}-0`]);
    expect(told()).toEqual(['migration.advanced', 'migration.advanced']);
  });

  it('that has ended is told as ended and does not begin anew', async () => {
    await runToEnd(h);
    h.broker.published.length = 0;
    process = h.start();
    await ask();
    expect(told()).toEqual(['migration.finished']);
    expect(await openMoves()).toEqual([]);
    expect(process.jobs.size).toBe(0);
  });

  it('waits while another move of the volume is open', async () => {
    await ask();
    await ask({ asked: request({ moveId: 'm00000000000000aa' }) });
    expect(await openMoves()).toEqual([moveId]);
    expect(told()).toEqual(['migration.advanced']);
  });

  it('waits while as many moves are open as may be', async () => {
    const second = request({ moveId: 'm00000000000000aa', volumeId: '99999999-2222-4333-8444-555555555555' });
    await ask({ openMovesMax: 1 });
    await ask({ openMovesMax: 1, asked: second });
    expect(await openMoves()).toEqual([moveId]);
    await ask({ openMovesMax: 2, asked: second });
    expect(await openMoves()).toEqual([moveId, 'm00000000000000aa']);
  });

  it('is not accepted in a dry run', async () => {
    await ask({ dryRun: true });
    expect(await openMoves()).toEqual([]);
    expect(told()).toEqual([]);
  });

  it('is preserved where this migrator preserves, whatever the policy says', async () => {
    await ask({ preservationMode: true });
    expect((await process.deps.journal.open.get(volumeId))?.value.request.preservationMode).toBe(true);
  });

  it('that had expired when it was published is let go of', async () => {
    const asked = request({ expiresAt: new Date(10_000).toISOString() });
    await ask({ asked, publishedAt: new Date(10_001) });
    expect(await openMoves()).toEqual([]);
  });

  it('is judged by the broker’s clock: one that expired on its way into the journal is taken out again', async () => {
    const asked = request({ expiresAt: new Date(10_000).toISOString() });
    await h.time.run(h.time.sleep(10_001), 20_000);
    await ask({ asked, publishedAt: new Date(9_000), clock: () => 5_000 });
    expect(await openMoves()).toEqual([]);
    expect(told()).toEqual([]);
    expect(process.jobs.size).toBe(0);
  });

  it('is kept in the journal where Redis is away: the sweep queues it', async () => {
    const { queue } = process.accepting();
    await ask({ queue: { ...queue, add: () => Promise.reject(new Error('Redis is away')) } });
    expect(await openMoves()).toEqual([moveId]);
    expect(process.jobs.size).toBe(0);
    await h.time.run(process.lookAround(), 60_000);
    expect([...process.jobs.keys()]).toEqual([`${moveId}-1`]);
  });
});
