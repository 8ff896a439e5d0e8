import { waitUntil } from '@couchestor/shared/testing/wait-until';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldDevice } from './held-device.fixture.ts';
import { DeviceError } from './memory-device.fixture.ts';
import { RawClient, type Reply, request } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve } from './server.fixture.ts';

closeServersAfterEach();

const mebibyte = 2 ** 20;
const chunkType = { none: 0, data: 1, hole: 2, error: 0x8001, errorOffset: 0x8002 };

async function serveHeld(sizeBytes = 4 * mebibyte) {
  const device = new HeldDevice(sizeBytes);
  const { server } = await serve({ others: { held: device }, sizeBytes: 4_096 });
  return { server, device, connect: (isStructured = true) => RawClient.ready(server, { name: 'held', isStructured }) };
}

/** The text and the offset of an error chunk. */
function errorOf({ data }: Reply) {
  const textBytes = data.readUInt16BE(4);
  return {
    text: data.toString('utf8', 6, 6 + textBytes),
    offset: data.length > 6 + textBytes ? data.readBigUInt64BE(6 + textBytes) : undefined,
  };
}

describe('a read that fails', () => {
  it('says where on the device, where the device knows and that lies in the range', async () => {
    const { server, device } = await serve();
    const client = await RawClient.ready(server);
    device.failure = new DeviceError('LOST', { offsetBytes: 8_192 });
    const within = await client.ask({ type: 0, offset: 4_096, length: 8_192, cookie: 9n });
    expect(within).toMatchObject({ type: chunkType.errorOffset, error: 5, flags: 1, cookie: 9n });
    expect(errorOf(within)).toEqual({ text: 'Too many shards are lost.', offset: 8_192n });
    for (const elsewhere of [
      { type: 0, offset: 0, length: 8_192 },
      { type: 0, offset: 8_193, length: 8_192 },
      { type: 1, offset: 8_192, payload: Buffer.alloc(10) },
    ]) {
      const reply = await client.ask(elsewhere);
      expect(reply).toMatchObject({ type: chunkType.error, error: 5 });
      expect(errorOf(reply).offset).toBeUndefined();
    }
    client.close();
  });

  it.each([
    ['NO_SPACE', 28],
    ['READ_ONLY', 1],
    ['BAD_RANGE', 28],
    ['STOPPING', 108],
    ['LOST', 5],
  ] as const)('for VAULT_%s has the number %i when it is a write', async (code, error) => {
    const { server, device } = await serve();
    device.failure = new DeviceError(code);
    for (const isStructured of [true, false]) {
      const client = await RawClient.ready(server, { isStructured });
      expect(await client.ask({ type: 1, payload: Buffer.alloc(10) })).toMatchObject({ error, isStructured: isStructured });
      client.close();
    }
  });
});

describe('a hole', () => {
  it('is sent as one when it is large, as zeros where it is small or the client knows no holes', async () => {
    const { server, device } = await serve();
    await device.write(mebibyte, [Buffer.alloc(1, 7)]);
    const client = await RawClient.ready(server);
    const hole = await client.ask({ type: 0, offset: 65_536, length: 65_536, cookie: 3n });
    expect(hole).toMatchObject({ type: chunkType.hole, flags: 1, cookie: 3n });
    expect([hole.data.readBigUInt64BE(0), hole.data.readUInt32BE(8)]).toEqual([65_536n, 65_536]);
    expect(device.calls.read).toBe(0);
    const small = await client.ask({ type: 0, offset: 65_536, length: 4_096 });
    expect(small.type).toBe(chunkType.data);
    expect(small.data.subarray(8).equals(Buffer.alloc(4_096))).toBe(true);
    // The last byte is data.
    const mixed = await client.ask({ type: 0, offset: mebibyte - 65_535, length: 65_536 });
    expect([mixed.type, mixed.data.length, mixed.data.at(-1)]).toEqual([chunkType.data, 8 + 65_536, 7]);
    expect(await client.ask({ type: 0, length: 0 })).toMatchObject({ type: chunkType.none, flags: 1 });
    const simple = await RawClient.ready(server, { isStructured: false });
    expect((await simple.ask({ type: 0, offset: 65_536, length: 65_536 }, 65_536)).data.equals(Buffer.alloc(65_536))).toBe(true);
    client.close();
    simple.close();
  });
});

describe('a slow device', () => {
  it('is answered for in the order in which it is done, over one connection', async () => {
    const { server, device, connect } = await serveHeld();
    const client = await connect();
    const offsets = [0, 100_000, 200_000, 300_000];
    client.send(Buffer.concat(offsets.map((offset) => request({ type: 0, offset, length: 5_000, cookie: BigInt(offset) }))));
    await waitUntil(() => device.heldOffsets.length === 4, { what: 'all are begun' });
    // What comes later overtakes them all.
    expect((await client.ask({ type: 3, cookie: 77n })).cookie).toBe(77n);
    for (const offset of [200_000, 0, 300_000, 100_000]) {
      device.release(offset);
      const reply = await client.reply();
      expect(reply.cookie).toBe(BigInt(offset));
      expect(reply.data.subarray(8).equals(device.bytes.subarray(offset, offset + 5_000))).toBe(true);
    }
    client.close();
    await waitUntil(() => server.connections() === 0);
  });

  it('keeps nobody waiting who asks for something else over another connection', async () => {
    const { device, connect } = await serveHeld();
    const clients = await Promise.all([connect(), connect(), connect(false)]);
    for (const [index, client] of clients.entries()) {
      client.send(request({ type: 0, offset: index * mebibyte, length: 100_000, cookie: BigInt(index) }));
    }
    await waitUntil(() => device.heldOffsets.length === 3, { what: 'all are begun' });
    device.atOnce.add(12_345);
    for (const client of clients) {
      expect((await client.ask({ type: 0, offset: 12_345, length: 10, cookie: 50n }, 10)).cookie).toBe(50n);
    }
    for (const index of [2, 0, 1]) {
      device.release(index * mebibyte);
      const reply = await clients[index]?.reply(100_000);
      expect(reply?.cookie).toBe(BigInt(index));
      const expected = device.bytes.subarray(index * mebibyte, index * mebibyte + 100_000);
      expect(reply?.data.subarray(index === 2 ? 0 : 8).equals(expected)).toBe(true);
      clients[index]?.close();
    }
  });

  it('never has a reply with bytes of another, whatever the sizes, the order, and what is done at once or fails', async () => {
    const { device, connect } = await serveHeld();
    const read = fc.record({
      lengthBytes: fc.oneof(
        fc.integer({ min: 1, max: 9_000 }),
        fc.integer({ min: 60_000, max: 70_000 }),
        fc.integer({ min: 200_000, max: 300_000 }),
      ),
      how: fc.constantFrom('at-once', 'held', 'held', 'fails'),
      rank: fc.nat(1_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(read, { minLength: 1, maxLength: 14 }), async (reads) => {
        device.atOnce.clear();
        const asked = reads.map((one, index) => ({ ...one, offset: index * 250_000 + one.rank }));
        const later = asked.filter(({ how }) => how !== 'at-once').sort((one, other) => one.rank - other.rank);
        for (const { offset } of asked.filter(({ how }) => how === 'at-once')) {
          device.atOnce.add(offset);
        }
        const client = await connect();
        client.send(
          Buffer.concat(asked.map(({ offset, lengthBytes }) => request({ type: 0, offset, length: lengthBytes, cookie: BigInt(offset) }))),
        );
        await waitUntil(() => device.heldOffsets.length === later.length, { what: 'all are begun', intervalMs: 1 });
        for (const { offset, how } of later) {
          device.release(offset, how === 'fails' ? new DeviceError('LOST') : undefined);
        }
        const left = new Map(asked.map((one) => [BigInt(one.offset), one]));
        while (left.size > 0) {
          const reply = await client.reply();
          const one = left.get(reply.cookie);
          left.delete(reply.cookie);
          expect(reply.type).toBe(one?.how === 'fails' ? chunkType.error : chunkType.data);
          if (one !== undefined && one.how !== 'fails') {
            expect(reply.data.readBigUInt64BE(0)).toBe(BigInt(one.offset));
            expect(reply.data.subarray(8).equals(device.bytes.subarray(one.offset, one.offset + one.lengthBytes))).toBe(true);
          }
        }
        client.close();
      }),
      { numRuns: 40 },
    );
  });

  it('may fail after its client is gone: the next one is served', async () => {
    const { server, device, connect } = await serveHeld();
    const gone = await connect();
    gone.send(Buffer.concat([0, 1_000].map((offset) => request({ type: 0, offset, length: 500 }))));
    await waitUntil(() => device.heldOffsets.length === 2);
    gone.socket.destroy();
    const next = await connect();
    device.release(0, new DeviceError('LOST'));
    device.release(1_000);
    await waitUntil(() => server.connections() === 1, { what: 'the first is let go of once its reads are over' });
    expect((await next.ask({ type: 3 })).error).toBe(0);
    next.close();
  });
});
