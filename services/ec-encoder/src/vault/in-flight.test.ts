import { expect, it } from 'vitest';
import type { StripeRow } from '../domain/stripe.ts';
import { InFlight } from './in-flight.ts';

it('waits for what is under way when it is asked, and for nothing that begins later', async () => {
  const inFlight = new InFlight();
  let end: () => void = () => undefined;
  const first = inFlight.track(
    () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }),
  );
  const failed = inFlight.track(() => Promise.reject(new Error('no')));
  failed.catch(() => undefined);
  let landed = false;
  const landing = inFlight.landed().then(() => {
    landed = true;
  });
  void inFlight.track(() => new Promise(() => undefined));
  await Promise.resolve();
  expect(landed).toBe(false);
  end();
  await Promise.all([first, landing]);
  expect(landed).toBe(true);
});

it('holds the segments of a stripe as often as it was told to', () => {
  const inFlight = new InFlight();
  const row: StripeRow = {
    stripeId: 1,
    shape: { dataShards: 1, parityShards: 1, shardBytes: 4096, payloadBytes: 4096 },
    codec: 'isal-compatible',
    shards: [{ drive: 1, segment: 7, offsetBlocks: 0, headerBlocks: 1, generation: 1 }, undefined],
    liveBytes: 0,
  };
  const [one, two] = [inFlight.hold(row), inFlight.hold(row)];
  one();
  expect(inFlight.isHeld(1, 7)).toBe(true);
  two();
  expect(inFlight.isHeld(1, 7)).toBe(false);
});
