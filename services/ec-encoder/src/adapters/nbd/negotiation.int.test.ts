import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { describe, expect, it } from 'vitest';
import { DeviceError, MemoryDevice } from './memory-device.fixture.ts';
import { contextData, infoData, optionBytes, RawClient, request } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve } from './server.fixture.ts';

closeServersAfterEach();

const mebibyte = 2 ** 20;

/** Of the first of the replies to INFO or GO. */
async function sizeSeen(client: RawClient, option: number): Promise<bigint | undefined> {
  client.send(optionBytes(option, infoData('vol')));
  return (await client.optionReplies())[0]?.data.readBigUInt64BE(2);
}

describe('EXPORT_NAME', () => {
  it.each([
    { flags: 3, zeroes: 0, what: 'without zeros after it' },
    { flags: 1, zeroes: 124, what: 'with zeros after it' },
    { flags: 0, zeroes: 124, what: 'even to a client of before the fixed negotiation' },
  ])('leads to the transmission, $what', async ({ flags, zeroes }) => {
    const { server, exports } = await serve();
    const client = await RawClient.greeted(server, flags);
    client.send(optionBytes(1, Buffer.from('vol')));
    const answer = await client.receive(10 + zeroes);
    expect(answer.readBigUInt64BE(0)).toBe(BigInt(4 * mebibyte));
    // Flags, flush, FUA, trim, zeroes, several connections, cache, fast zeroes; nothing of fragments.
    expect(answer.readUInt16BE(8)).toBe(0b1101_0110_1101);
    expect(answer.subarray(10).every((byte) => byte === 0)).toBe(true);
    expect((await client.ask({ type: 1, offset: 5, payload: Buffer.from('abc') })).error).toBe(0);
    expect((await client.ask({ type: 0, offset: 5, length: 3 }, 3)).data.toString()).toBe('abc');
    client.send(request({ type: 2 }));
    expect(await client.over()).toHaveLength(0);
    client.close();
    await waitUntil(() => exports.inUse === 0 && server.connections() === 0);
  });

  it('means the only export when it is empty, and none where there are several', async () => {
    const one = await serve();
    const client = await RawClient.greeted(one.server);
    client.send(optionBytes(1));
    await client.receive(10);
    client.close();
    const two = await serve({ others: { second: new MemoryDevice(4_096) } });
    const lost = await RawClient.greeted(two.server);
    lost.send(optionBytes(1));
    expect(await lost.over()).toHaveLength(0);
    lost.close();
  });

  it('keeps structured replies that were agreed on before', async () => {
    const { server } = await serve();
    const client = await RawClient.greeted(server);
    client.send(optionBytes(8));
    await client.optionReply();
    client.send(optionBytes(1, Buffer.from('vol')));
    expect((await client.receive(10)).readUInt16BE(8) & 0x80).toBe(0x80);
    expect(await client.ask({ type: 0, length: 8 })).toMatchObject({ isStructured: true, error: 0 });
    client.close();
  });
});

describe('ABORT', () => {
  it('is acknowledged, and nothing is heard after it', async () => {
    const { server, exports } = await serve();
    const client = await RawClient.greeted(server);
    client.send(Buffer.concat([optionBytes(6, infoData('vol')), optionBytes(2), optionBytes(3)]));
    await client.optionReplies();
    expect(await client.optionReply()).toMatchObject({ option: 2, type: 1 });
    expect(await client.over()).toHaveLength(0);
    client.close();
    await waitUntil(() => server.connections() === 0);
    expect(exports.inUse).toBe(0);
  });
});

describe('an export', () => {
  it('is listed with the others, and its context with it', async () => {
    const { server } = await serve({ others: { second: new MemoryDevice(4_096) } });
    const client = await RawClient.greeted(server);
    client.send(optionBytes(3));
    const listed = (await client.optionReplies()).map(({ type, data }) => [type, data.subarray(4).toString()]);
    expect(listed).toEqual([
      [2, 'volthe volume vol'],
      [2, 'secondthe volume second'],
      [1, ''],
    ]);
    client.send(optionBytes(8));
    await client.optionReply();
    for (const [query, replies] of [
      ['base:', 2],
      ['qemu:', 1],
    ] as const) {
      client.send(optionBytes(9, contextData('vol', [query])));
      expect(await client.optionReplies()).toHaveLength(replies);
    }
    client.close();
  });

  it('that cannot be opened is refused for the reason that its error tells, and the client may go on', async () => {
    const { server, exports } = await serve();
    const client = await RawClient.greeted(server);
    for (const [failure, type] of [
      [new DeviceError('STOPPING'), 0x8000_0007],
      [new DeviceError('LOST'), 0x8000_0002],
      [new Error('/a/secret/path'), 0x8000_0002],
    ] as const) {
      exports.openFailure = failure;
      client.send(optionBytes(7, infoData('vol')));
      const reply = await client.optionReply();
      expect(reply.type).toBe(type);
      expect(reply.data.toString()).not.toContain('secret');
    }
    exports.openFailure = undefined;
    expect(await sizeSeen(client, 7)).toBe(BigInt(4 * mebibyte));
    client.close();
  });

  it('that grew has its new size for a new connection, and its new end can be used over an old one', async () => {
    const { server, device } = await serve();
    device.sizeBytes = 2 * mebibyte;
    const asking = await RawClient.greeted(server);
    expect(await sizeSeen(asking, 6)).toBe(BigInt(2 * mebibyte));
    const old = await RawClient.ready(server);
    const end = { offset: 3 * mebibyte, length: 512 };
    expect((await old.ask({ type: 0, ...end })).error).toBe(22);
    device.sizeBytes = 4 * mebibyte;
    expect((await old.ask({ type: 1, offset: end.offset, payload: Buffer.alloc(512, 5) })).error).toBe(0);
    expect(await sizeSeen(asking, 6)).toBe(BigInt(4 * mebibyte));
    const fresh = await RawClient.greeted(server);
    expect(await sizeSeen(fresh, 7)).toBe(BigInt(4 * mebibyte));
    expect((await fresh.ask({ type: 0, ...end }, 512)).data.equals(Buffer.alloc(512, 5))).toBe(true);
    for (const client of [asking, old, fresh]) {
      client.close();
    }
  });
});
