import { expect, test } from 'vitest';
import { defineErrors } from './errors.ts';
import { createLogger, type Logger } from './logger.ts';

const TestError = defineErrors('TEST', { BROKEN: { retry: true, help: 'It broke.' } });

function capture(json: boolean, level: 'info' | 'debug' = 'info'): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  return { logger: createLogger({ name: 'migrator', level, json, to: { write: (line) => void lines.push(line) } }), lines };
}

test('a line for people holds time, level, name, message and key=value pairs', () => {
  const { logger, lines } = capture(false);
  logger.info({ volumeId: 'v1', reason: 'too busy', count: 2, pools: ['a', 'b'] }, 'moving');
  expect(lines[0]).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO {2}migrator moving volumeId=v1 reason="too busy" count=2 pools="\[\\"a\\",\\"b\\"\]"\n$/,
  );
});

test('an error is one line with its code and the chain of its causes', () => {
  const { logger, lines } = capture(false);
  logger.error({ err: new TestError('BROKEN', { pool: 'p1' }, { cause: new Error('disk\n on fire') }) }, 'the move failed');
  expect(lines[0]).toContain('the move failed code=TEST_BROKEN error="TEST_BROKEN: It broke. (pool=p1): caused by disk on fire"');
  expect(lines[0]?.trimEnd()).not.toContain('\n');
});

test('an error without a code tells the place where it arose', () => {
  const { logger, lines } = capture(false);
  logger.error(new TypeError('x is undefined'));
  expect(lines[0]).toMatch(/error="x is undefined" at=\S*logger\.test\.ts:\d+:\d+\n$/);
});

test('JSON lines hold level names, ISO times and coded errors', () => {
  const { logger, lines } = capture(true);
  logger.warn({ err: new TestError('BROKEN', { pool: 'p1' }) }, 'no luck');
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    name: 'migrator',
    message: 'no luck',
    err: { code: 'TEST_BROKEN', message: 'TEST_BROKEN: It broke. (pool=p1)', retry: true, facts: { pool: 'p1' } },
  });
});

test.each([true, false])('secrets are not written (json: %s)', (json) => {
  const { logger, lines } = capture(json);
  logger.info({ password: 'hunter2', tenant: { secretKey: 'hunter2' }, url: 'nats://me:hunter2@nats:4222' }, 'redis://:hunter2@r');
  expect(lines.join()).not.toContain('hunter2');
  expect(lines.join()).toContain('***');
});

test('lines below the level are not written', () => {
  const { logger, lines } = capture(false);
  logger.debug('quiet');
  expect(lines).toEqual([]);
});
