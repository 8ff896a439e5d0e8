import { describe, expect, it } from 'vitest';
import { matchVolume } from './find-volume.ts';

const volumes = [
  { volumeId: '11111111-2222-4333-8444-555555555555', name: 'orders-db' },
  { volumeId: '11119999-2222-4333-8444-555555555555', name: 'orders-archive' },
  { volumeId: 'abcdef00-2222-4333-8444-555555555555', name: 'web' },
];

describe('finding a volume', () => {
  it.each(['abcdef00-2222-4333-8444-555555555555', 'web', 'we', 'abcd', 'pvc-abcdef00', 'pvc-abcdef00-2222-4333-8444-555555555555'])(
    'knows "%s"',
    (text) => {
      expect(matchVolume(volumes, text).name).toBe('web');
    },
  );

  it('prefers a full name to a beginning', () => {
    expect(matchVolume([...volumes, { volumeId: 'ffffffff-2222-4333-8444-555555555555', name: 'web-2' }], 'web').name).toBe('web');
  });

  it('refuses a beginning that several share, and lists them', () => {
    expect(() => matchVolume(volumes, 'orders')).toThrow(/severalBeginSo=orders-db .*orders-archive/);
    expect(() => matchVolume(volumes, '1111')).toThrow(/severalBeginSo/);
  });

  it('offers what was most likely meant', () => {
    expect(() => matchVolume(volumes, 'order-db')).toThrow(/didYouMean=orders-db/);
    expect(() => matchVolume(volumes, 'archive')).toThrow(/didYouMean=orders-archive/);
  });

  it('lists what there is where nothing is near', () => {
    expect(() => matchVolume(volumes, 'zzzzzzzz')).toThrow(/known=orders-db/);
    expect(() => matchVolume([], 'zzz')).toThrow(/known=none yet/);
  });
});
