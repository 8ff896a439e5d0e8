import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineBucket, defineEvent } from '../contracts/define.ts';
import { decodeEvent, decodeValue, encodeEvent, encodeValue } from './envelope.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const counted = defineEvent({
  type: 'thing.counted',
  version: 3,
  stream: 'COUCHESTOR_MIGRATIONS',
  producer: 'migrator',
  consumers: ['policy-brain'],
  description: 'For these tests.',
  payload: z.strictObject({ count: z.int(), unit: z.string() }),
  upcast: { 2: (old) => ({ ...z.strictObject({ count: z.int() }).parse(old), unit: 'piece' }) },
});
const counts = defineBucket({
  name: 'COUCHESTOR_counts',
  version: 1,
  owner: 'migrator',
  description: 'For these tests.',
  value: z.strictObject({ count: z.int() }),
  history: 1,
  maxBytes: 1_024,
});
const wire = (changes: object): Uint8Array =>
  bytes(
    JSON.stringify({
      id: 'x',
      type: 'thing.counted',
      version: 3,
      producer: 'migrator',
      at: '',
      payload: { count: 1, unit: 'm' },
      ...changes,
    }),
  );

describe('an event on the wire', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.string({ minLength: 1, maxLength: 50 }), (count, unit, id) => {
        const sent = { id, producer: 'migrator', payload: { count, unit } };
        expect(decodeEvent(counted, bytes(encodeEvent(counted, { ...sent, at: new Date(0) })))).toEqual(sent);
      }),
    );
  });

  it('says its type, version, producer and time', () => {
    const text = encodeEvent(counted, { id: 'x', producer: 'migrator', at: new Date(0), payload: { count: 1, unit: 'm' } });
    expect(JSON.parse(text)).toEqual({
      id: 'x',
      type: 'thing.counted',
      version: 3,
      producer: 'migrator',
      at: '1970-01-01T00:00:00.000Z',
      payload: { count: 1, unit: 'm' },
    });
  });

  it('of an older version is lifted', () => {
    expect(decodeEvent(counted, wire({ version: 2, payload: { count: 7 } })).payload).toEqual({ count: 7, unit: 'piece' });
  });

  it.each([
    ['of a newer version', wire({ version: 4 }), 'BUS_NEWER_VERSION', {}],
    ['of a version without an upcast', wire({ version: 1 }), 'BUS_INVALID_MESSAGE', { field: 'version' }],
    ['that its upcast cannot lift', wire({ version: 2, payload: {} }), 'BUS_INVALID_MESSAGE', { problem: 'could not be lifted' }],
    ['of another type', wire({ type: 'other.counted' }), 'BUS_INVALID_MESSAGE', { field: 'type', found: 'other.counted' }],
    ['with a wrong field', wire({ payload: { count: 'one', unit: 'm' } }), 'BUS_INVALID_MESSAGE', { field: 'count' }],
    ['with a field too many', wire({ payload: { count: 1, unit: 'm', more: 1 } }), 'BUS_INVALID_MESSAGE', { field: '(whole)' }],
    ['without an id', wire({ id: '' }), 'BUS_INVALID_MESSAGE', { field: 'id' }],
    ['that is not JSON', bytes('{'), 'BUS_INVALID_MESSAGE', { problem: 'not JSON', bytes: 1 }],
    ['that is not text', new Uint8Array([0xff]), 'BUS_INVALID_MESSAGE', { problem: 'not JSON' }],
    ['that is empty', new Uint8Array(), 'BUS_INVALID_MESSAGE', { problem: 'not JSON' }],
  ])('%s is refused', (_what, data, code, facts) => {
    expect(() => decodeEvent(counted, data)).toThrow(
      expect.objectContaining({ code, retry: false, facts: expect.objectContaining(facts) }),
    );
  });

  it('is refused before it is sent where it does not fit', () => {
    expect(() => encodeEvent(counted, { id: 'x', producer: 'migrator', at: new Date(0), payload: { count: 0.5, unit: 'm' } })).toThrow(
      expect.objectContaining({ code: 'BUS_INVALID_PAYLOAD', facts: expect.objectContaining({ field: 'count' }) }),
    );
  });

  it('is read or refused with a coded error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (data) => {
        expect(() => decodeEvent(counted, data)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^BUS_/) }));
      }),
    );
  });
});

describe('a stored value', () => {
  it('is read as it was written, with its version', () => {
    const text = encodeValue(counts, { count: 3 });
    expect(JSON.parse(text)).toEqual({ version: 1, value: { count: 3 } });
    expect(decodeValue(counts, bytes(text))).toEqual({ count: 3 });
  });

  it('of a newer version is refused', () => {
    expect(() => decodeValue(counts, bytes('{"version":2,"value":{"count":3}}'))).toThrow(
      expect.objectContaining({ code: 'BUS_NEWER_VERSION' }),
    );
  });
});
