import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { describe, expect, it } from 'vitest';
import { HeldDevice } from './held-device.fixture.ts';
import { defaultNbdLimits, type NbdLimits } from './limits.ts';
import { MemoryDevice, MemoryExports } from './memory-device.fixture.ts';
import { RawClient, request } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve, testDir } from './server.fixture.ts';
import { startNbdServer } from './server.ts';

closeServersAfterEach();

const exports = () => new MemoryExports({ vol: new MemoryDevice(65_536) });

describe('the path of the socket', () => {
  it('is taken over from a process that is dead, not from one that lives', async () => {
    const dir = await testDir();
    const unixPath = join(dir, 'nbd.sock');
    const owner = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(unixPath)}, () => console.log('up'))`,
    ]);
    await once(owner.stdout, 'data');
    const start = () => startNbdServer({ exports: exports(), listen: { unixPath }, logger: quietLogger() });
    await expect(start()).rejects.toMatchObject({ code: 'NBD_ADDRESS_IN_USE' });
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    expect((await stat(unixPath)).isSocket()).toBe(true);
    const server = await start();
    expect((await (await RawClient.ready(server)).ask({ type: 3 })).error).toBe(0);
    await server.close(0);
  });

  it('is left alone where something else lies there, and has a length', async () => {
    const dir = await testDir();
    const unixPath = join(dir, 'precious');
    await writeFile(unixPath, 'data');
    const start = (path: string) => startNbdServer({ exports: exports(), listen: { unixPath: path }, logger: quietLogger() });
    await expect(start(unixPath)).rejects.toMatchObject({ code: 'NBD_NOT_A_SOCKET' });
    await expect(start(join(dir, 'a'.repeat(108)))).rejects.toMatchObject({ code: 'NBD_PATH_TOO_LONG' });
    expect((await stat(unixPath)).size).toBe(4);
  });
});

describe('limits', () => {
  it('under which a request of the largest size never finds its memory are refused', async () => {
    const dir = await testDir();
    const start = (limits: Partial<NbdLimits>) =>
      startNbdServer({ exports: exports(), listen: { unixPath: join(dir, 's') }, logger: quietLogger(), limits });
    const requestBytesMax = 2 ** 20;
    const neededBytes = requestBytesMax + 2 ** 17;
    for (const limits of [
      { requestBytesMax: defaultNbdLimits.connectionBytesMax },
      { requestBytesMax, connectionBytesMax: neededBytes - 1 },
      { requestBytesMax, serverBytesMax: neededBytes - 1 },
    ]) {
      await expect(start(limits)).rejects.toMatchObject({ code: 'NBD_BAD_LIMITS' });
    }
    const server = await start({ requestBytesMax, connectionBytesMax: neededBytes, serverBytesMax: neededBytes });
    const client = await RawClient.ready(server);
    expect((await client.ask({ type: 1, payload: Buffer.alloc(65_536) })).error).toBe(0);
    client.close();
    await server.close(1_000);
  });
});

describe('closing', () => {
  it('answers what is in hand, begins nothing more, and lets go of the export', async () => {
    const { server, device, exports: all } = await serve();
    let go = (): void => undefined;
    device.gate = new Promise((resolve) => {
      go = resolve;
    });
    const client = await RawClient.ready(server);
    client.send(request({ type: 1, payload: Buffer.alloc(4_096, 9), cookie: 5n }));
    await waitUntil(() => device.calls.write === 1);
    const closed = server.close(10_000);
    await expect(RawClient.connect(server)).rejects.toThrow();
    client.send(request({ type: 3 }));
    go();
    expect(await client.reply()).toMatchObject({ cookie: 5n, error: 0 });
    expect(await client.over()).toHaveLength(0);
    client.close();
    await closed;
    expect([device.calls.flush, all.inUse, server.connections()]).toEqual([0, 0, 0]);
  });

  it('answers all that many clients have in hand, however far the rest had come', async () => {
    const device = new HeldDevice(2 ** 20);
    const { server, exports: all } = await serve({ others: { held: device }, limits: { connectionRequestsMax: 3 } });
    const clients = await Promise.all([true, true, false].map((isStructured) => RawClient.ready(server, { name: 'held', isStructured })));
    const idle = await RawClient.ready(server, { name: 'held' });
    const negotiating = await RawClient.greeted(server);
    for (const [index, client] of clients.entries()) {
      const offsets = [0, 1, 2, 3, 4].map((at) => at * 100_000 + index * 1_000);
      // The fourth waits for room, the fifth behind it, and of a write there is but a part.
      client.send(Buffer.concat(offsets.map((offset) => request({ type: 0, offset, length: 900, cookie: BigInt(offset) }))));
      client.send(request({ type: 1, payload: Buffer.alloc(50_000) }).subarray(0, 20_000));
    }
    await waitUntil(() => device.heldOffsets.length === 9, { what: 'all that may be are begun' });
    const closed = server.close(60_000);
    expect(await idle.over()).toHaveLength(0);
    expect(await negotiating.over()).toHaveLength(0);
    expect(all.inUse).toBeGreaterThanOrEqual(3);
    for (const offset of device.heldOffsets.reverse()) {
      device.release(offset);
    }
    for (const [index, client] of clients.entries()) {
      const cookies = [await client.reply(900), await client.reply(900), await client.reply(900)].map(({ cookie }) => cookie);
      expect(cookies).toEqual([2, 1, 0].map((at) => BigInt(at * 100_000 + index * 1_000)));
      expect(await client.over()).toHaveLength(0);
    }
    for (const client of [...clients, idle, negotiating]) {
      client.close();
    }
    await closed;
    expect([device.heldOffsets, device.calls.write, all.inUse, server.connections()]).toEqual([[], 0, 0, 0]);
  });

  it('lets go of an export only when the device has answered, even after the budget', async () => {
    const { server, device, exports: all } = await serve();
    let go = (): void => undefined;
    device.gate = new Promise((resolve) => {
      go = resolve;
    });
    const client = await RawClient.ready(server);
    client.send(request({ type: 1, payload: Buffer.alloc(4_096, 1) }));
    await waitUntil(() => device.calls.write === 1);
    await server.close(20);
    expect(await client.over()).toHaveLength(0);
    expect(all.inUse).toBe(1);
    go();
    await waitUntil(() => all.inUse === 0, { what: 'the write is over' });
    client.close();
  });

  it('waits for a device that hangs no longer than its budget', async () => {
    const { server, device } = await serve();
    device.gate = new Promise(() => undefined);
    const client = await RawClient.ready(server);
    client.send(request({ type: 3 }));
    await waitUntil(() => device.calls.flush === 1);
    await server.close(20);
    await client.over();
    client.close();
  });
});
