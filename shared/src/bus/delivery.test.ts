import { describe, expect, it } from 'vitest';
import { deliveryOf } from './delivery.ts';

const expected = {
  stream: 'ORDERS',
  deliveries: 2,
  sequence: 1_234,
  consumerSequence: 56,
  storedAt: new Date('2026-01-02T03:04:05.678Z'),
  pending: 7,
};
const nanoseconds = '1767323045678901234';

describe('the delivery of a message', () => {
  it('is read from the acknowledgement subject of older servers and of newer ones', () => {
    expect(deliveryOf({ reply: `$JS.ACK.ORDERS.durable.2.1234.56.${nanoseconds}.7` })).toEqual(expected);
    expect(deliveryOf({ reply: `$JS.ACK._.ACCOUNT.ORDERS.durable.2.1234.56.${nanoseconds}.7` })).toEqual(expected);
    expect(deliveryOf({ reply: `$JS.ACK.hub.ACCOUNT.ORDERS.durable.2.1234.56.${nanoseconds}.7.rAnDoM` })).toEqual(expected);
  });

  it('is absent of what is not a stored message', () => {
    expect(deliveryOf({})).toBeUndefined();
    expect(deliveryOf({ reply: '' })).toBeUndefined();
    expect(deliveryOf({ reply: '_INBOX.abc.def' })).toBeUndefined();
    expect(deliveryOf({ reply: '$JS.FC.ORDERS.durable.x' })).toBeUndefined();
  });
});
