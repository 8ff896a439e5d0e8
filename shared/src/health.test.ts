import { expect, test } from 'vitest';
import { Health } from './health.ts';

test('a process that has not said that it serves is not ready', async () => {
  expect(await new Health().readiness()).toEqual({ ready: false, checks: { serving: 'starting or stopping' } });
});

test('readiness names what is wrong with each check', async () => {
  const health = new Health();
  health.setServing(true);
  health.addReadiness('bus', async () => undefined);
  health.addReadiness('redis', async () => {
    throw new Error('refused', { cause: new Error('ECONNREFUSED') });
  });
  expect(await health.readiness()).toEqual({
    ready: false,
    checks: { serving: 'ok', bus: 'ok', redis: 'refused: caused by ECONNREFUSED' },
  });
});

test('a probe may make a remark and is no less ok', async () => {
  const health = new Health();
  health.setServing(true);
  health.addReadiness('brain', async () => 'stands by');
  expect(await health.readiness()).toEqual({ ready: true, checks: { serving: 'ok', brain: 'ok: stands by' } });
});

test('a probe that throws before it returns a promise is a failed check', async () => {
  const health = new Health();
  health.addReadiness('bus', () => {
    throw new Error('closed');
  });
  expect((await health.readiness()).checks['bus']).toBe('closed');
});

test('a probe that hangs has failed after its time', async () => {
  const health = new Health({ probeTimeoutMs: 20 });
  health.setServing(true);
  health.addReadiness('bus', () => new Promise(() => undefined));
  expect((await health.readiness()).checks['bus']).toBe('no answer within 20 ms');
});

test('all checks ok is ready, and no longer once stopping', async () => {
  const health = new Health();
  health.addReadiness('bus', async () => undefined);
  health.setServing(true);
  expect((await health.readiness()).ready).toBe(true);
  health.setServing(false);
  expect((await health.readiness()).ready).toBe(false);
});
