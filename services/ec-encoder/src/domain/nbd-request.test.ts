import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandFlag, errorNumber } from './nbd-protocol.ts';
import { commandName, decodeRequest, isReading, type NbdRequest, refusalOf } from './nbd-request.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u16 = fc.integer({ min: 0, max: 0xffff });

function encode(o: { magic?: number; flags: number; type: number; high: number; low: number; offset: bigint; length: number }): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(o.magic ?? 0x2560_9513, 0);
  bytes.writeUInt16BE(o.flags, 4);
  bytes.writeUInt16BE(o.type, 6);
  bytes.writeUInt32BE(o.high, 8);
  bytes.writeUInt32BE(o.low, 12);
  bytes.writeBigUInt64BE(o.offset, 16);
  bytes.writeUInt32BE(o.length, 24);
  return bytes;
}

describe('the header of a request', () => {
  const header = fc.record({
    flags: u16,
    type: u16,
    high: u32,
    low: u32,
    offset: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    length: u32,
  });

  it('is read wherever it lies, and an offset that no number holds is beyond everything', () => {
    fc.assert(
      fc.property(header, fc.integer({ min: 0, max: 40 }), (sent, at) => {
        const seen = decodeRequest(Buffer.concat([Buffer.alloc(at, 7), encode(sent), Buffer.alloc(3)]), at);
        expect(seen).toEqual({
          flags: sent.flags,
          type: sent.type,
          cookieHigh: sent.high,
          cookieLow: sent.low,
          offsetBytes: sent.offset < 2n ** 53n ? Number(sent.offset) : Number.POSITIVE_INFINITY,
          lengthBytes: sent.length,
        });
      }),
    );
  });

  it('is none with any other magic', () => {
    const rest = { flags: 0, type: 0, high: 0, low: 0, offset: 0n, length: 0 };
    fc.assert(
      fc.property(u32, (magic) => {
        fc.pre(magic !== 0x2560_9513);
        expect(decodeRequest(encode({ ...rest, magic }), 0)).toBeUndefined();
      }),
    );
  });
});

describe('a command', () => {
  it('has a name, and reads or changes', () => {
    const names = ['read', 'write', 'disconnect', 'flush', 'trim', 'cache', 'writeZeroes', 'blockStatus', 'unknown', 'unknown'];
    expect(names.map((_, type) => commandName(type))).toEqual(names);
    expect(names.filter((_, type) => isReading(type))).toEqual(['read', 'cache', 'blockStatus']);
  });
});

describe('a request is refused', () => {
  const sizeBytes = 65_536;
  const requestBytesMax = 8_192;
  const whole = { hasStructuredReplies: true, hasAllocationContext: true };
  const make = (o: Partial<NbdRequest>): NbdRequest => ({
    flags: 0,
    type: 0,
    cookieHigh: 0,
    cookieLow: 0,
    offsetBytes: 0,
    lengthBytes: 0,
    ...o,
  });
  const refused = (request: NbdRequest, o: { isReadOnly?: boolean; negotiated?: typeof whole } = {}) =>
    refusalOf(request, { negotiated: o.negotiated ?? whole, device: { sizeBytes, isReadOnly: o.isReadOnly ?? false }, requestBytesMax })
      ?.error;

  /** By command: what it says beyond the end, and of a device that is read-only; the flags it has; whether its length is limited. */
  const rules = [
    { name: 'read', type: 0, beyond: 'EINVAL', flags: commandFlag.dontFragment, isLimited: true },
    { name: 'write', type: 1, beyond: 'ENOSPC', readOnly: 'EPERM', flags: 0, isLimited: true },
    { name: 'trim', type: 4, beyond: 'EINVAL', readOnly: 'EPERM', flags: 0 },
    { name: 'cache', type: 5, beyond: 'EINVAL', flags: 0 },
    { name: 'writeZeroes', type: 6, beyond: 'ENOSPC', readOnly: 'EPERM', flags: commandFlag.noHole | commandFlag.fastZero },
    { name: 'blockStatus', type: 7, beyond: 'EINVAL', flags: commandFlag.requestOne },
  ];

  it.each(rules)('$name: by its range, its length, its flags and what it would change', ({ type, beyond, readOnly, flags, isLimited }) => {
    expect(refused(make({ type, offsetBytes: sizeBytes - 10, lengthBytes: 10 }))).toBeUndefined();
    expect(refused(make({ type, offsetBytes: sizeBytes - 10, lengthBytes: 11 }))).toBe(beyond);
    expect(refused(make({ type, offsetBytes: Number.POSITIVE_INFINITY, lengthBytes: 1 }))).toBe(beyond);
    expect(refused(make({ type, lengthBytes: requestBytesMax + 1 }))).toBe(isLimited === true ? 'EINVAL' : undefined);
    expect(refused(make({ type, lengthBytes: 1 }), { isReadOnly: true })).toBe(readOnly);
    for (let bit = 0; bit < 16; bit += 1) {
      const isAllowed = ((flags | commandFlag.fua) & (1 << bit)) !== 0;
      expect([bit, refused(make({ type, flags: 1 << bit, lengthBytes: 1 }))]).toEqual([bit, isAllowed ? undefined : 'EINVAL']);
    }
  });

  it('that flushes a range, that is no command, that was not negotiated, or asks about nothing', () => {
    expect(refused(make({ type: 3, flags: 1 }))).toBeUndefined();
    expect(refused(make({ type: 3, offsetBytes: 1 }))).toBe('EINVAL');
    expect(refused(make({ type: 3, lengthBytes: 1 }))).toBe('EINVAL');
    expect(refused(make({ type: 8 }))).toBe('EINVAL');
    expect(refused(make({ type: 7, lengthBytes: 0 }))).toBe('EINVAL');
    const plain = { hasStructuredReplies: false, hasAllocationContext: false };
    expect(refused(make({ type: 7, lengthBytes: 1 }), { negotiated: plain })).toBe('EINVAL');
    expect(refused(make({ type: 0, flags: 4, lengthBytes: 1 }), { negotiated: plain })).toBe('EINVAL');
  });

  it('whenever it reaches beyond the end, whatever else it is, and never with an error that the protocol does not have', () => {
    const any = fc.record({
      type: fc.integer({ min: 0, max: 9 }),
      flags: u16,
      offsetBytes: fc.oneof(u32, fc.nat(2 * sizeBytes)),
      lengthBytes: u32,
    });
    fc.assert(
      fc.property(any, fc.boolean(), (o, isReadOnly) => {
        const error = refused(make(o), { isReadOnly });
        const hasRange = ![2, 3].includes(o.type);
        if (error === undefined) {
          expect(hasRange && o.offsetBytes + o.lengthBytes > sizeBytes).toBe(false);
          expect(isReadOnly && [1, 4, 6].includes(o.type)).toBe(false);
        } else {
          expect(errorNumber[error]).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
