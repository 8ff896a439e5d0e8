import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scenarioWith, smallVolume } from '../domain/cluster.fixture.ts';
import { failOverVolume, setNodeOnline } from '../domain/mishaps.ts';
import type { OpenSimulator } from '../open-simulator.ts';
import { openWithFiles, volumeNamed } from '../simulator.fixture.ts';
import { createExporter, samples } from './exporter.ts';

const load = [{ forSeconds: 60, iops: 100, readFraction: 0.5 }];
let simulator: OpenSimulator;

beforeAll(() => {
  simulator = openWithFiles(
    scenarioWith({
      volumes: [
        { ...smallVolume, load },
        { ...smallVolume, name: 'idle', published: false },
      ],
    }),
  );
  simulator.engine.pass(2_000);
});

afterAll(() => simulator.close());

const current = () => samples({ cluster: simulator.engine.cluster, dataPlane: simulator.dataPlane });
const valueAt = (name: string, labels: Record<string, string>) =>
  current().find(([found, has]) => found === name && Object.entries(labels).every(([key, value]) => has[key] === value))?.[2];

describe('the exporter', () => {
  it('exposes gauges in the text format, for published volumes only, on the node of their target', async () => {
    const app = createExporter({ cluster: simulator.engine.cluster, dataPlane: simulator.dataPlane });
    const { body, headers } = await app.inject('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toContain('# TYPE volume_num_read_ops gauge\n');
    expect(body).toMatch(new RegExp(`^volume_bytes_written\\{node="n1",pv_name="pvc-${volumeNamed(simulator).uuid}"\\} \\d+$`, 'm'));
    expect(body).not.toContain(`volume_num_read_ops{node="n1",pv_name="pvc-${volumeNamed(simulator, 'idle').uuid}`);
    expect(body).toMatch(/^diskpool_status\{node="n1",name="hot-n1"\} 1$/m);
    await app.close();
  });

  it('counts what was done', () => {
    const labels = { pv_name: `pvc-${volumeNamed(simulator).uuid}` };
    const reads = valueAt('volume_num_read_ops', labels) ?? 0;
    const writes = valueAt('volume_num_write_ops', labels) ?? 0;
    expect(reads + writes).toBe(200);
    expect(valueAt('volume_bytes_read', labels)).toBe(reads * 4096);
    expect(valueAt('volume_read_latency_us', labels)).toBeGreaterThan(0);
    // Every write reaches both replicas, every read one of them.
    expect(valueAt('replica_num_write_ops', { node: 'n2', ...labels })).toBe(writes);
    expect(valueAt('diskpool_num_write_ops', { name: 'hot-n1' })).toBe(writes);
  });

  it('begins anew with a new nexus on another node, and is silent about a node that is down', () => {
    const volume = volumeNamed(simulator);
    const { engine } = simulator;
    engine.change((nowMs) => failOverVolume(engine.cluster, { volume: volume.uuid, node: 'n2', nowMs }));
    const labels = { node: 'n2', pv_name: `pvc-${volume.uuid}` };
    expect(valueAt('volume_num_read_ops', { ...labels, node: 'n1' })).toBeUndefined();
    expect(valueAt('volume_num_read_ops', labels)).toBe(0);
    engine.change((nowMs) => setNodeOnline(engine.cluster, { node: 'n2', online: false, nowMs }));
    expect(current().filter(([, has]) => has['node'] === 'n2')).toEqual([]);
  });
});
