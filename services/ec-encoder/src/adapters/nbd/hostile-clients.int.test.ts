import { randomBytes } from 'node:crypto';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextData, infoData, optionBytes, RawClient, type RequestInput, request, sized } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve } from './server.fixture.ts';

closeServersAfterEach();

const sizeBytes = 4 * 2 ** 20;
const EPERM = 1;
const EIO = 5;
const EINVAL = 22;
const ENOSPC = 28;
const errInvalid = 0x8000_0003;
const errUnsupported = 0x8000_0001;
const errPolicy = 0x8000_0002;
const errUnknown = 0x8000_0006;
const errTooBig = 0x8000_0009;

/** After whatever one client did, another one is served, and nothing is left over. */
async function servesOthers(o: Awaited<ReturnType<typeof serve>>): Promise<void> {
  const client = await RawClient.ready(o.server);
  expect((await client.ask({ type: 0, length: 512 })).error).toBe(0);
  client.send(request({ type: 2 }));
  await client.over();
  client.close();
  await waitUntil(() => o.server.connections() === 0 && o.exports.inUse === 0, { what: 'all connections are gone' });
}

describe('a client that is not one, before the transmission', () => {
  const flags = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value, 0);
    return bytes;
  };
  const cutOff: Record<string, Buffer> = {
    'sends flags that nobody told it of': flags(4),
    'sends all flags': flags(0xffff_ffff),
    'speaks HTTP': Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    'begins an option with a wrong magic': Buffer.concat([flags(3), Buffer.from('IHAVENOT'), Buffer.alloc(8)]),
    'sends an option of 4 GiB': Buffer.concat([flags(3), optionBytes(7, Buffer.alloc(0), 0xffff_ffff)]),
    'sends an option above the total': Buffer.concat([flags(3), optionBytes(99, Buffer.alloc(0), 131_073)]),
    'sends options without end': Buffer.concat([flags(3), ...Array.from({ length: 9_000 }, () => optionBytes(3))]),
    'names an export that is not there in the old way': Buffer.concat([flags(3), optionBytes(1, Buffer.from('nothing'))]),
    'names an export of 5,000 bytes in the old way': Buffer.concat([flags(3), optionBytes(1, Buffer.alloc(5_000, 'a'))]),
    'names an export of 20,000 bytes in the old way': Buffer.concat([flags(3), optionBytes(1, Buffer.alloc(20_000, 'a'))]),
    'names an export that is not text in the old way': Buffer.concat([flags(3), optionBytes(1, Buffer.from([0xff, 0xfe]))]),
  };

  it.each(Object.entries(cutOff))('is cut off when it %s', async (_, bytes) => {
    const test = await serve();
    const client = await RawClient.connect(test.server);
    client.send(bytes);
    await client.over();
    client.close();
    await servesOthers(test);
  });

  const refused: Record<string, { bytes: Buffer; error: number; isPlain?: boolean }> = {
    'an option that does not exist': { bytes: optionBytes(4_711, randomBytes(100)), error: errUnsupported },
    'option 0': { bytes: optionBytes(0), error: errUnsupported },
    'extended headers': { bytes: optionBytes(11), error: errUnsupported },
    'TLS where there is none': { bytes: optionBytes(5), error: errPolicy },
    'STARTTLS with data': { bytes: optionBytes(5, Buffer.alloc(1)), error: errInvalid },
    'LIST with data': { bytes: optionBytes(3, Buffer.alloc(1)), error: errInvalid },
    'STRUCTURED_REPLY with data': { bytes: optionBytes(8, Buffer.alloc(4)), error: errInvalid },
    'an option above the limit': { bytes: optionBytes(7, Buffer.alloc(16_385)), error: errTooBig },
    'GO without data': { bytes: optionBytes(7), error: errInvalid },
    'GO with three bytes': { bytes: optionBytes(7, Buffer.alloc(3)), error: errInvalid },
    'GO with a name longer than its data': { bytes: optionBytes(7, sized('vol', 0xffff_ffff)), error: errInvalid },
    'GO without the number of its queries': { bytes: optionBytes(7, sized('vol')), error: errInvalid },
    'GO with fewer queries than it says': {
      bytes: optionBytes(7, Buffer.concat([sized('vol'), Buffer.from([0, 9, 0, 1])])),
      error: errInvalid,
    },
    'GO with more data than it says': { bytes: optionBytes(7, Buffer.concat([infoData('vol', [1]), Buffer.alloc(1)])), error: errInvalid },
    'GO with a name of 4,097 bytes': { bytes: optionBytes(7, infoData('a'.repeat(4_097))), error: errTooBig },
    'GO with a name that is no text': {
      bytes: optionBytes(7, Buffer.concat([sized(Buffer.from([0xc3, 0x28])), Buffer.alloc(2)])),
      error: errInvalid,
    },
    'GO for an export that is not there': { bytes: optionBytes(7, infoData('nothing')), error: errUnknown },
    'INFO for an export that is not there': { bytes: optionBytes(6, infoData('vol\0')), error: errUnknown },
    'a context before structured replies': {
      bytes: optionBytes(10, contextData('vol', ['base:allocation'])),
      error: errInvalid,
      isPlain: true,
    },
    'a context of an export that is not there': { bytes: optionBytes(10, contextData('nothing', ['base:allocation'])), error: errUnknown },
    'contexts without data': { bytes: optionBytes(10), error: errInvalid },
    'contexts with a length beyond their data': {
      bytes: optionBytes(10, Buffer.concat([sized('vol'), flags(1), sized('base:', 99)])),
      error: errInvalid,
    },
    'contexts with four thousand million queries': {
      bytes: optionBytes(9, Buffer.concat([sized('vol'), flags(0xffff_ffff)])),
      error: errInvalid,
    },
    'contexts with more data than they say': {
      bytes: optionBytes(9, Buffer.concat([contextData('vol', []), Buffer.alloc(2)])),
      error: errInvalid,
    },
    'contexts with a query of 5,000 bytes': { bytes: optionBytes(9, contextData('vol', ['b'.repeat(5_000)])), error: errTooBig },
  };

  it.each(Object.entries(refused))('is refused %s, and may go on', async (_, { bytes, error, isPlain = false }) => {
    const test = await serve();
    const client = await RawClient.greeted(test.server);
    if (!isPlain) {
      client.send(optionBytes(8));
      expect((await client.optionReply()).type).toBe(1);
    }
    client.send(bytes);
    const reply = await client.optionReply();
    expect([reply.type, reply.option]).toEqual([error, bytes.readUInt32BE(8)]);
    client.send(optionBytes(7, infoData('vol')));
    expect((await client.optionReplies()).map(({ type }) => type)).toEqual([3, 1]);
    expect((await client.ask({ type: 0, length: 8 }, 8)).error).toBe(0);
    client.close();
    await servesOthers(test);
  });

  it.each(['nothing', 'half a greeting', 'half an option', 'an option byte by byte'])(
    'has only so much time when it sends %s',
    async (what) => {
      const test = await serve({ limits: { handshakeTimeoutMs: 150 } });
      const client = await RawClient.connect(test.server);
      const option = Buffer.concat([flags(3), optionBytes(7, infoData('a'.repeat(1_000)))]);
      client.send(
        { nothing: Buffer.alloc(0), 'half a greeting': option.subarray(0, 2), 'half an option': option.subarray(0, 15) }[what] ??
          option.subarray(0, 30),
      );
      const trickle = setInterval(() => what === 'an option byte by byte' && client.socket.writable && client.send(Buffer.from('a')), 5);
      await client.over();
      clearInterval(trickle);
      client.close();
      // Nobody else is asked to be as quick.
      await waitUntil(() => test.server.connections() === 0, { what: 'the connection is gone' });
    },
  );
});

describe('a client that is not one, in the transmission', () => {
  const u64Max = 2n ** 64n - 1n;
  const refused: Record<string, { ask: RequestInput; error: number; isReadOnly?: boolean; isSimple?: boolean; hasContext?: boolean }> = {
    'a command that does not exist': { ask: { type: 8 }, error: EINVAL },
    'a command of all ones': { ask: { type: 0xffff, length: 1_000 }, error: EINVAL },
    'a read with unknown flags': { ask: { type: 0, flags: 0x8000, length: 8 }, error: EINVAL },
    'a read with the flag of another command': { ask: { type: 0, flags: 8, length: 8 }, error: EINVAL },
    'a read that must not be cut, without structured replies': { ask: { type: 0, flags: 4, length: 8 }, error: EINVAL, isSimple: true },
    'a read beyond the end': { ask: { type: 0, offset: sizeBytes, length: 1 }, error: EINVAL },
    'a read across the end': { ask: { type: 0, offset: sizeBytes - 1, length: 2 }, error: EINVAL },
    'a read at the last of all offsets': { ask: { type: 0, offset: u64Max, length: 2 }, error: EINVAL },
    'a read whose end overflows to the front': { ask: { type: 0, offset: u64Max - 511n, length: 1_024 }, error: EINVAL },
    'a read where numbers lose their last bit': { ask: { type: 0, offset: 2n ** 53n + 1n, length: 1 }, error: EINVAL },
    'a read of more than the limit': { ask: { type: 0, length: 32 * 2 ** 20 + 1 }, error: EINVAL },
    'a read of 4 GiB': { ask: { type: 0, length: 0xffff_ffff }, error: EINVAL },
    'a write beyond the end': { ask: { type: 1, offset: sizeBytes, payload: Buffer.alloc(512) }, error: ENOSPC },
    'a write across the end': { ask: { type: 1, offset: sizeBytes - 1, payload: Buffer.alloc(70_000) }, error: ENOSPC },
    'a write whose end overflows': { ask: { type: 1, offset: u64Max - 1n, payload: Buffer.alloc(4) }, error: ENOSPC },
    'a write with unknown flags': { ask: { type: 1, flags: 0x40, payload: Buffer.alloc(4_096) }, error: EINVAL },
    'a write of more than the limit': { ask: { type: 1, payload: Buffer.alloc(33 * 2 ** 20) }, error: EINVAL },
    'a write to what is read-only': { ask: { type: 1, payload: Buffer.alloc(4_096) }, error: EPERM, isReadOnly: true },
    'a trim of what is read-only': { ask: { type: 4, length: 4_096 }, error: EPERM, isReadOnly: true },
    'zeroes to what is read-only': { ask: { type: 6, length: 4_096 }, error: EPERM, isReadOnly: true },
    'a trim beyond the end': { ask: { type: 4, offset: sizeBytes, length: 4_096 }, error: EINVAL },
    'a trim of 4 GiB': { ask: { type: 4, length: 0xffff_ffff }, error: EINVAL },
    'zeroes beyond the end': { ask: { type: 6, offset: 1, length: sizeBytes }, error: ENOSPC },
    'zeroes with unknown flags': { ask: { type: 6, flags: 0x20, length: 1 }, error: EINVAL },
    'a flush with a length': { ask: { type: 3, length: 1 }, error: EINVAL },
    'a flush with an offset': { ask: { type: 3, offset: 1 }, error: EINVAL },
    'a flush with unknown flags': { ask: { type: 3, flags: 2 }, error: EINVAL },
    'a cache beyond the end': { ask: { type: 5, offset: sizeBytes, length: 1 }, error: EINVAL },
    'a status without its context': { ask: { type: 7, length: 4_096 }, error: EINVAL, hasContext: false },
    'a status without structured replies': { ask: { type: 7, length: 4_096 }, error: EINVAL, isSimple: true },
    'a status of nothing': { ask: { type: 7, length: 0 }, error: EINVAL },
    'a status beyond the end': { ask: { type: 7, offset: u64Max, length: 1 }, error: EINVAL },
  };

  it.each(Object.entries(refused))('is refused %s, and may go on', async (_, o) => {
    const test = await serve();
    test.device.isReadOnly = o.isReadOnly ?? false;
    const client = await RawClient.ready(test.server, {
      isStructured: o.isSimple !== true,
      hasContext: o.isSimple !== true && o.hasContext !== false,
    });
    const reply = await client.ask({ ...o.ask, cookie: 0x1234_5678_9abc_def0n });
    expect(reply).toMatchObject({ error: o.error, cookie: 0x1234_5678_9abc_def0n, isStructured: o.isSimple !== true });
    expect(test.device.calls).toEqual({ read: 0, write: 0, flush: 0, zero: 0, status: 0 });
    expect((await client.ask({ type: 0, length: 8 }, 8)).error).toBe(0);
    client.close();
    test.device.isReadOnly = false;
    await servesOthers(test);
  });

  const write = request({ type: 1, payload: Buffer.alloc(100_000, 7) });
  const cutOff: Record<string, Buffer> = {
    'sends a wrong magic': request({ type: 0, length: 8, magic: 0x2560_9514 }),
    'sends a reply': Buffer.concat([Buffer.from([0x67, 0x44, 0x66, 0x98]), Buffer.alloc(24)]),
    'sends zeros': Buffer.alloc(4_096),
    'announces a write of 4 GiB': request({ type: 1, length: 0xffff_ffff }),
    'announces a write of twice the limit and a byte': request({ type: 1, length: 64 * 2 ** 20 + 1 }),
    'sends another negotiation': optionBytes(7, infoData('another volume')),
  };

  it.each(Object.entries(cutOff))('is cut off when it %s', async (_, bytes) => {
    const test = await serve();
    const client = await RawClient.ready(test.server);
    client.send(bytes);
    expect(await client.over()).toHaveLength(0);
    client.close();
    await servesOthers(test);
    expect(test.device.calls.write).toBe(0);
  });

  it.each([1, 27, 28, 29, 28 + 4_095, 28 + 65_536, 28 + 99_999])(
    'that goes away after %i bytes of a write has written nothing',
    async (bytes) => {
      for (const isPolite of [false, true]) {
        const test = await serve();
        const client = await RawClient.ready(test.server);
        client.send(write.subarray(0, bytes));
        await new Promise<void>((resolve) => client.socket.write('', () => resolve()));
        if (isPolite) {
          client.socket.end();
          await client.over();
        }
        client.close();
        await servesOthers(test);
        expect(test.device.calls.write).toBe(0);
      }
    },
  );

  it('may send a write in crumbs: all of it arrives, in few chunks', async () => {
    const test = await serve();
    const client = await RawClient.ready(test.server);
    const payload = randomBytes(9_000);
    client.socket.setNoDelay(true);
    for (const byte of request({ type: 1, offset: 77, payload })) {
      client.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    expect((await client.reply()).error).toBe(0);
    expect(Buffer.from(test.device.bytes.subarray(77, 77 + payload.length)).equals(payload)).toBe(true);
    expect(test.device.chunkLengths.length).toBeLessThanOrEqual(3);
    client.close();
  });

  it.each(['half a header', 'half a payload'])('has only so much time for %s, but all of it between requests', async (what) => {
    const test = await serve({ limits: { requestTimeoutMs: 50 } });
    const idle = await RawClient.ready(test.server);
    const client = await RawClient.ready(test.server);
    client.send(write.subarray(0, what === 'half a header' ? 14 : 50_000));
    await client.over();
    expect(idle.isOver).toBe(false);
    expect((await idle.ask({ type: 3 })).error).toBe(0);
    idle.close();
    client.close();
    await servesOthers(test);
  });

  it('that takes no replies gets no further ones made, and others go on', async () => {
    const test = await serve({ sizeBytes: 64 * 2 ** 20, limits: { unsentBytesMax: 2 ** 20 } });
    test.device.bytes.fill(1);
    const slow = await RawClient.ready(test.server, { isStructured: false });
    slow.socket.pause();
    const reads = Buffer.concat(Array.from({ length: 500 }, () => request({ type: 0, length: 2 ** 20 })));
    slow.send(reads);
    const other = await RawClient.ready(test.server, { isStructured: false });
    await waitUntil(() => test.device.calls.read > 0, { what: 'some are read' });
    for (let round = 0; round < 20; round += 1) {
      expect((await other.ask({ type: 0, length: 4_096 }, 4_096)).error).toBe(0);
    }
    // One above the mark, one or two in the socket, and the twenty of the other.
    expect(test.device.calls.read).toBeLessThanOrEqual(20 + 6);
    other.close();
    slow.close();
    await servesOthers(test);
  });

  it('that takes no replies is cut off once others wait for the memory it holds', async () => {
    const limits = { requestBytesMax: 2 ** 20, connectionBytesMax: 4 * 2 ** 20, serverBytesMax: 4 * 2 ** 20, stalledTimeoutMs: 100 };
    const test = await serve({ sizeBytes: 64 * 2 ** 20, limits });
    test.device.bytes.fill(1);
    const slow = await RawClient.ready(test.server, { isStructured: false });
    slow.socket.pause();
    slow.send(Buffer.concat(Array.from({ length: 50 }, () => request({ type: 0, length: 2 ** 20 }))));
    await waitUntil(() => test.device.calls.read > 1, { what: 'some are read' });
    const other = await RawClient.ready(test.server, { isStructured: false });
    for (let round = 0; round < 5; round += 1) {
      expect((await other.ask({ type: 0, length: 2 ** 20 }, 2 ** 20)).error).toBe(0);
    }
    other.close();
    slow.close();
    await servesOthers(test);
  });

  it('that asks for more at once than it may have waits, and gets it all', async () => {
    const limits = {
      requestBytesMax: 2 ** 20,
      connectionBytesMax: 2 * 2 ** 20,
      serverBytesMax: 3 * 2 ** 20,
      connectionRequestsMax: 4,
      serverRequestsMax: 6,
    };
    const test = await serve({ limits });
    let open = (): void => undefined;
    test.device.gate = new Promise((resolve) => {
      open = resolve;
    });
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.ready(test.server, { isStructured: false })));
    const ask = Buffer.concat([
      ...Array.from({ length: 30 }, (_, at) =>
        request({ type: 1, offset: at * 1_000, cookie: BigInt(at), payload: Buffer.alloc(1_000, at) }),
      ),
      ...Array.from({ length: 30 }, (_, at) => request({ type: 0, offset: at * 10, cookie: BigInt(at), length: 2 ** 20 })),
    ]);
    for (const client of clients) {
      client.send(ask);
    }
    await waitUntil(() => test.device.calls.write === 6, { what: 'as many as allowed are begun' });
    open();
    test.device.gate = undefined;
    await Promise.all(
      clients.map(async (client) => {
        const cookies = new Set<bigint>();
        for (let at = 0; at < 30; at += 1) {
          const reply = await client.reply();
          expect(reply.error).toBe(0);
          cookies.add(reply.cookie);
        }
        for (let at = 0; at < 30; at += 1) {
          expect((await client.reply(2 ** 20)).error).toBe(0);
        }
        expect(cookies.size).toBe(30);
        client.close();
      }),
    );
    expect(test.device.bytes[29_500]).toBe(29);
    await servesOthers(test);
  });

  it('is one of only so many', async () => {
    const test = await serve({ limits: { connectionsMax: 2 } });
    const first = await RawClient.connect(test.server);
    const second = await RawClient.ready(test.server);
    const third = await RawClient.connect(test.server);
    expect(await third.over()).toHaveLength(0);
    expect((await second.ask({ type: 3 })).error).toBe(0);
    for (const client of [first, second, third]) {
      client.close();
    }
    await waitUntil(() => test.server.connections() === 0);
    await servesOthers(test);
  });

  it('hears of a failure of the device what it was, and may go on', async () => {
    const test = await serve();
    const client = await RawClient.ready(test.server);
    test.device.failure = new Error('something breaks');
    for (const ask of [
      { type: 0, length: 1_000 },
      { type: 1, payload: Buffer.alloc(9) },
      { type: 3 },
      { type: 6, length: 9 },
      { type: 7, length: 9 },
      { type: 5, length: 9 },
    ]) {
      expect((await client.ask(ask)).error).toBe(EIO);
    }
    test.device.failure = undefined;
    expect((await client.ask({ type: 3 })).error).toBe(0);
    client.close();
    await servesOthers(test);
  });
});

describe('random bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 400 }).map((value) => Buffer.from(value));
  const plausible = fc
    .record({
      type: fc.integer({ min: 0, max: 9 }),
      flags: fc.constantFrom(0, 1, 2, 4, 8, 16, 0xffff),
      offset: fc.oneof(fc.bigInt({ min: 0n, max: BigInt(2 * sizeBytes) }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      length: fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 0xffff_ffff })),
      rest: bytes,
    })
    .map(({ rest, ...ask }) => Buffer.concat([request(ask), rest]));

  it.each(['connect', 'greeted', 'ready'] as const)('harm nobody in phase %s', async (phase) => {
    const test = await serve();
    const option = fc.tuple(fc.integer({ min: 0, max: 12 }), bytes).map(([kind, data]) => optionBytes(kind, data));
    const piece = phase === 'ready' ? fc.oneof(bytes, plausible, plausible) : phase === 'greeted' ? fc.oneof(bytes, option, option) : bytes;
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        const client = await RawClient[phase](test.server);
        for (const one of pieces) {
          client.send(one);
        }
        client.socket.end();
        await client.over();
        client.close();
      }),
      { numRuns: 80 },
    );
    await servesOthers(test);
  });
});
