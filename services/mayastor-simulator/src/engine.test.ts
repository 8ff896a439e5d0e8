import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processIdentity } from './adapters/cluster-store.ts';
import { mebibyte, scenarioWith } from './domain/cluster.fixture.ts';
import { faultReplica, setNodeOnline } from './domain/mishaps.ts';
import { blockBytes } from './domain/scenario.ts';
import { openWithFiles, setCount, volumeNamed } from './simulator.fixture.ts';

const busy = scenarioWith({}, { filledPercent: 40, load: [{ forSeconds: 3_600, iops: 600, readFraction: 0.3 }] });

describe('the data plane', () => {
  it('copies a replica under write load without losing a block', async () => {
    const simulator = openWithFiles(busy);
    expect(await setCount(simulator, 3)).toBe(200);
    for (let step = 0; step < 20; step += 1) {
      simulator.engine.pass(500);
      expect((await simulator.engine.verify()).corrupt).toBe(0);
    }
    const verification = await simulator.engine.verify();
    expect(verification).toMatchObject({ corrupt: 0, replicasVerified: 3, bytesVerified: 3 * 8 * mebibyte });
    expect(simulator.dataPlane.corruptReads).toBe(0);
    expect(simulator.dataPlane.totals.reads).toBeGreaterThan(1_000);
    expect(simulator.dataPlane.bytesRebuilt).toBe(8 * mebibyte);
    simulator.close();
  });

  it('leaves the moved volume with its bytes on the new replica alone', async () => {
    const simulator = openWithFiles(busy);
    const { cluster } = simulator.engine;
    await setCount(simulator, 3);
    simulator.engine.pass(10_000);
    const old = Object.values(cluster.replicas).find((replica) => replica.pool === 'hot-n1');
    await simulator.engine.call({ method: 'DELETE', path: '/v0/pools/hot-n1/label/couchestor' });
    expect(await setCount(simulator, 2)).toBe(200);
    simulator.engine.pass(2_000);
    expect(cluster.replicas[old?.uuid ?? '']).toBeUndefined();
    expect(readdirSync(join(simulator.dataDir, 'replicas')).sort()).toEqual(Object.keys(cluster.replicas).sort());
    expect(await simulator.engine.verify()).toMatchObject({ corrupt: 0, replicasVerified: 2 });
    expect(cluster.underReplicatedMs).toBe(0);
    simulator.close();
  });

  it('keeps all data through faults, fail-overs and lost nodes', async () => {
    const simulator = openWithFiles(busy);
    const { engine } = simulator;
    const volume = volumeNamed(simulator);
    await setCount(simulator, 3);
    engine.pass(3_000);
    engine.change((nowMs) => setNodeOnline(engine.cluster, { node: volume.nexus?.node ?? '', online: false, nowMs }));
    engine.pass(7_000);
    expect(await engine.verify()).toMatchObject({ corrupt: 0 });
    engine.change((nowMs) => setNodeOnline(engine.cluster, { node: 'n1', online: true, nowMs }));
    engine.pass(4_000);
    const online = volume.nexus?.children.find((child) => child.state === 'Online')?.replica ?? '';
    engine.change((nowMs) => faultReplica(engine.cluster, { volume: volume.uuid, replica: online, forGood: false, nowMs }));
    engine.pass(40_000);
    expect(await engine.verify()).toMatchObject({ corrupt: 0, replicasVerified: 3 });
    expect(simulator.dataPlane.corruptReads).toBe(0);
    simulator.close();
  });

  it('finds a block that was changed behind its back, by volume, block and replica', async () => {
    const simulator = openWithFiles(busy);
    const { cluster } = simulator.engine;
    const [replica] = volumeNamed(simulator).replicas;
    const path = join(simulator.dataDir, 'replicas', replica ?? '');
    const bytes = readFileSync(path);
    bytes[5 * blockBytes + 100] = (bytes[5 * blockBytes + 100] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const verification = await simulator.engine.verify();
    expect(verification.corrupt).toBe(1);
    expect(verification.faults).toEqual([
      `block 5 of volume ${volumeNamed(simulator).uuid} on replica ${replica} is torn: its checksum does not fit`,
    ]);
    expect(Object.keys(cluster.volumes)).toHaveLength(1);
    simulator.close();
  });

  it('finds a write that reached only one of two replicas', async () => {
    const simulator = openWithFiles(busy);
    const [, second] = volumeNamed(simulator).replicas;
    const before = readFileSync(join(simulator.dataDir, 'replicas', second ?? ''));
    simulator.engine.pass(1_000);
    writeFileSync(join(simulator.dataDir, 'replicas', second ?? ''), before);
    const { corrupt, faults } = await simulator.engine.verify();
    expect(corrupt).toBeGreaterThan(0);
    expect(faults.every((fault) => fault.includes(second ?? '?'))).toBe(true);
    simulator.close();
  });

  it('grows its files with their volume', async () => {
    const simulator = openWithFiles(busy);
    const volume = volumeNamed(simulator);
    await simulator.engine.call({ method: 'PUT', path: `/v0/volumes/${volume.uuid}/size`, body: { size: 12 * mebibyte } });
    simulator.engine.pass(3_000);
    expect(await simulator.engine.verify()).toMatchObject({ corrupt: 0, bytesVerified: 2 * 12 * mebibyte });
    expect(statSync(join(simulator.dataDir, 'replicas', volume.replicas[0] ?? '')).size).toBe(12 * mebibyte);
    simulator.close();
  });

  it('goes on where it was closed, in mid-rebuild', async () => {
    const simulator = openWithFiles(busy);
    await setCount(simulator, 3);
    simulator.engine.pass(3_000);
    const { generation } = simulator.dataPlane.acknowledged(volumeNamed(simulator));
    simulator.close();

    const again = openWithFiles(busy, simulator.dataDir);
    expect(again.engine.cluster.nowMs).toBe(3_000);
    expect(again.dataPlane.acknowledged(volumeNamed(again)).generation).toBe(generation);
    again.engine.pass(6_000);
    expect(await again.engine.verify()).toMatchObject({ corrupt: 0, replicasVerified: 3 });
    again.close();
  });

  it('refuses a folder that another scenario filled, and one that is in use', () => {
    const simulator = openWithFiles(busy);
    simulator.close();
    expect(() => openWithFiles(scenarioWith({ seed: 99 }), simulator.dataDir)).toThrow('SIM_STATE_FOREIGN');
    writeFileSync(join(simulator.dataDir, 'owner.pid'), processIdentity(process.ppid));
    expect(() => openWithFiles(busy, simulator.dataDir)).toThrow(`pid=${process.ppid}`);
  });
});

describe('load', () => {
  it('is worked off at its rate, with its share of reads', () => {
    const simulator = openWithFiles(busy);
    simulator.engine.pass(10_000);
    const { reads, writes } = simulator.dataPlane.totals;
    expect(reads + writes).toBeGreaterThan(5_900);
    expect(reads + writes).toBeLessThanOrEqual(6_000);
    expect(reads / (reads + writes)).toBeCloseTo(0.3, 1);
    simulator.close();
  });

  it('rests while a volume is not published', () => {
    const simulator = openWithFiles(scenarioWith({}, { published: false, load: [{ forSeconds: 9, iops: 100, readFraction: 0.5 }] }));
    simulator.engine.pass(5_000);
    expect(simulator.dataPlane.totals).toMatchObject({ reads: 0, writes: 0 });
    simulator.close();
  });
});
