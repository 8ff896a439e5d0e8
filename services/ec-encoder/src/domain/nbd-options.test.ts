import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeClientFlags,
  decodeContextQuery,
  decodeInfoQuery,
  decodeOptionHeader,
  decodeText,
  encodeExportNameReply,
  encodeGreeting,
  encodeInfos,
  encodeMetaContext,
  encodeOptionError,
  encodeOptionReply,
  encodeServer,
  transmissionFlags,
  wantsAllocation,
} from './nbd-options.ts';

const name = fc.string({ unit: 'grapheme', maxLength: 30 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([number32(bytes.length), bytes]);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

function infoData(of: string, wanted: readonly number[]): Buffer {
  const rest = Buffer.alloc(2 + 2 * wanted.length);
  rest.writeUInt16BE(wanted.length, 0);
  for (const [index, one] of wanted.entries()) {
    rest.writeUInt16BE(one, 2 + 2 * index);
  }
  return Buffer.concat([sized(of), rest]);
}

function readReply(bytes: Buffer) {
  expect(bytes.readBigUInt64BE(0)).toBe(0x0003_e889_0455_65a9n);
  expect(bytes.length).toBe(20 + bytes.readUInt32BE(16));
  return { option: bytes.readUInt32BE(8), type: bytes.readUInt32BE(12), data: bytes.subarray(20) };
}

describe('the beginning', () => {
  it('greets as fixed newstyle, and knows the flags that it told of', () => {
    expect(encodeGreeting().toString('latin1')).toBe('NBDMAGICIHAVEOPT\0\x03');
    const seen = [0, 1, 2, 3].map((flags) => decodeClientFlags(number32(flags))?.hasNoZeroes);
    expect(seen).toEqual([false, false, true, true]);
  });

  it('takes no other flag of a client', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 0xffff_ffff }), (flags) => {
        expect(decodeClientFlags(number32(flags))).toBeUndefined();
      }),
    );
  });

  it('reads the header of an option only with its magic', () => {
    fc.assert(
      fc.property(u32, u32, (option, lengthBytes) => {
        const bytes = Buffer.concat([Buffer.from('IHAVEOPT'), number32(option), number32(lengthBytes)]);
        expect(decodeOptionHeader(bytes)).toEqual({ option, lengthBytes });
        bytes[7] = 0;
        expect(decodeOptionHeader(bytes)).toBeUndefined();
      }),
    );
  });
});

describe('the data of an option', () => {
  it('of INFO and GO come out as they were put in, and not at all when they are cut or longer', () => {
    fc.assert(
      fc.property(name, fc.array(u16, { maxLength: 6 }), (of, wanted) => {
        const bytes = infoData(of, wanted);
        expect(decodeInfoQuery(bytes)).toEqual({ value: { name: of, wanted: new Set(wanted) } });
        for (let end = 0; end < bytes.length; end += 1) {
          expect(decodeInfoQuery(bytes.subarray(0, end))).toMatchObject({ error: 'invalid' });
        }
        expect(decodeInfoQuery(Buffer.concat([bytes, Buffer.alloc(1)]))).toMatchObject({ error: 'invalid' });
      }),
    );
  });

  it('of contexts come out as they were put in, and not at all when they are cut or longer', () => {
    fc.assert(
      fc.property(name, fc.array(name, { maxLength: 4 }), (of, queries) => {
        const bytes = Buffer.concat([sized(of), number32(queries.length), ...queries.map(sized)]);
        expect(decodeContextQuery(bytes)).toEqual({ value: { name: of, queries } });
        for (let end = 0; end < bytes.length; end += 1) {
          expect(decodeContextQuery(bytes.subarray(0, end))).toMatchObject({ error: 'invalid' });
        }
        expect(decodeContextQuery(Buffer.concat([bytes, Buffer.alloc(1)]))).toMatchObject({ error: 'invalid' });
      }),
    );
  });

  it('may be any bytes: they are read or refused, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeText, decodeInfoQuery, decodeContextQuery]) {
          const seen = decode(Buffer.from(bytes));
          expect('value' in seen || ['invalid', 'tooBig'].includes(seen.error)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a name of 4,096 bytes', Buffer.alloc(4_096, 'a'), undefined],
    ['a name of 4,097 bytes', Buffer.alloc(4_097, 'a'), 'tooBig'],
    ['half a character', Buffer.from([0xe2, 0x82]), 'invalid'],
    ['half of a surrogate pair', Buffer.from([0xed, 0xa0, 0x80]), 'invalid'],
    ['no name', Buffer.alloc(0), undefined],
  ])('%s', (_, bytes, error) => {
    const seen = decodeText(bytes);
    expect('error' in seen ? seen.error : undefined).toBe(error);
  });
});

describe('base:allocation', () => {
  it.each([
    { queries: ['base:allocation'], set: true, list: true },
    { queries: ['x:y', 'base:allocation'], set: true, list: true },
    { queries: [], set: false, list: true },
    { queries: ['base:'], set: false, list: true },
    { queries: ['base'], set: false, list: false },
    { queries: ['base:alloc', 'qemu:'], set: false, list: false },
  ])('is meant by $queries when set: $set, when listed: $list', ({ queries, set, list }) => {
    expect([wantsAllocation(queries, true), wantsAllocation(queries, false)]).toEqual([set, list]);
    expect(readReply(encodeMetaContext(10))).toEqual({ option: 10, type: 4, data: Buffer.from('\0\0\0\x01base:allocation') });
  });
});

describe('a reply to an option', () => {
  it('names the option, and has the data or the reason', () => {
    fc.assert(
      fc.property(u32, u32, fc.uint8Array({ maxLength: 40 }), (option, type, data) => {
        expect(readReply(encodeOptionReply(option, type, Buffer.from(data)))).toEqual({ option, type, data: Buffer.from(data) });
      }),
    );
    expect(readReply(encodeOptionError(7, 'unknown', 'no é'))).toEqual({ option: 7, type: 0x8000_0006, data: Buffer.from('no é') });
    expect(readReply(encodeServer({ name: 'ä', description: 'of é' })).data).toEqual(Buffer.from('\0\0\0\x02äof é'));
  });
});

describe('what is told of an export', () => {
  const facts = { sizeBytes: 2 ** 40 + 4_096, isReadOnly: false, name: 'vö', description: 'a volume', requestBytesMax: 2 ** 25 };

  it('has the flags of what it can do: one that is read-only cannot be changed, and no fragments are spoken of without structured replies', () => {
    const [has, readOnly, flush, fua, trim, zeroes, df, multi, cache, fast] = [1, 2, 4, 8, 32, 64, 128, 256, 1_024, 2_048];
    const always = has + flush + fua + multi + cache;
    expect(transmissionFlags({ isReadOnly: false, hasStructuredReplies: true })).toBe(always + trim + zeroes + fast + df);
    expect(transmissionFlags({ isReadOnly: false, hasStructuredReplies: false })).toBe(always + trim + zeroes + fast);
    expect(transmissionFlags({ isReadOnly: true, hasStructuredReplies: true })).toBe(always + readOnly + df);
  });

  it('is what was asked for, and its size in any case', () => {
    const told = (wanted: number[]) =>
      encodeInfos(7, facts, { wanted: new Set(wanted), hasStructuredReplies: true }).map((bytes) => {
        const { option, type, data } = readReply(bytes);
        expect([option, type]).toEqual([7, 3]);
        return { kind: data.readUInt16BE(0), rest: data.subarray(2) };
      });
    expect(told([]).map(({ kind }) => kind)).toEqual([0]);
    expect(told([0, 1, 2, 3, 99]).map(({ kind }) => kind)).toEqual([0, 1, 2, 3]);
    const [size, ...others] = told([1, 2, 3]);
    expect(size?.rest.readBigUInt64BE(0)).toBe(BigInt(facts.sizeBytes));
    expect(others.map(({ rest }) => rest)).toEqual([
      Buffer.from('vö'),
      Buffer.from('a volume'),
      Buffer.concat([number32(1), number32(4_096), number32(2 ** 25)]),
    ]);
  });

  it('has zeros after it in the old way, unless the client does without', () => {
    const reply = (hasNoZeroes: boolean) => encodeExportNameReply(facts, { hasNoZeroes, hasStructuredReplies: false });
    expect([reply(true).length, reply(false).length]).toEqual([10, 134]);
    expect(reply(false).readBigUInt64BE(0)).toBe(BigInt(facts.sizeBytes));
    expect(
      reply(false)
        .subarray(10)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect(reply(true).readUInt16BE(8)).toBe(transmissionFlags({ isReadOnly: false, hasStructuredReplies: false }));
  });
});
