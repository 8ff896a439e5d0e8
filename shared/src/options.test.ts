import { describe, expect, test } from 'vitest';
import { commonOptions } from './common-options.ts';
import { CodedError } from './errors.ts';
import { defineOptions, readOptions, renderOptions, wantsHelp } from './options.ts';

const table = defineOptions({
  prometheusUrl: {
    flag: 'prometheus-url',
    env: 'PROMETHEUS_URL',
    kind: 'url',
    protocols: ['http', 'https'],
    default: 'http://prom:9090',
    description: 'Where Prometheus answers.',
  },
  maxMoves: { flag: 'max-moves', env: 'MAX_MOVES', kind: 'integer', min: 1, max: 64, default: 2, description: 'Moves at a time.' },
  dryRun: { flag: 'dry-run', env: 'DRY_RUN', kind: 'boolean', description: 'Decide, but do not move.' },
  pollInterval: {
    flag: 'poll-interval',
    env: 'POLL_INTERVAL',
    kind: 'duration',
    min: 1_000,
    default: 90_000,
    description: 'Time between polls.',
  },
  logLevel: commonOptions.logLevel,
  policies: { flag: 'policies', env: 'POLICIES', kind: 'path', optional: true, description: 'Folder of policies.' },
});

const read = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => readOptions(table, { argv, env });

function problemsOf(argv: readonly string[], env: NodeJS.ProcessEnv = {}, options: Parameters<typeof readOptions>[0] = table): string[] {
  try {
    readOptions(options, { argv, env });
  } catch (error) {
    expect(error).toBeInstanceOf(CodedError);
    return String((error as CodedError).facts['problems']).split('\n');
  }
  return [];
}

describe('where values come from', () => {
  test('defaults apply where nothing is given', () => {
    expect(read([]).values).toEqual({
      prometheusUrl: 'http://prom:9090',
      maxMoves: 2,
      dryRun: false,
      pollInterval: 90_000,
      logLevel: 'info',
      policies: undefined,
    });
  });

  test('a flag wins over the environment, and that over the default', () => {
    expect(read([], { MAX_MOVES: '3' }).values.maxMoves).toBe(3);
    expect(read(['--max-moves', '4'], { MAX_MOVES: '3' }).values.maxMoves).toBe(4);
  });

  test('flags take their value after a space or an equals sign', () => {
    expect(read(['--poll-interval=2m', '--policies', '/etc/policies']).values).toMatchObject({
      pollInterval: 120_000,
      policies: '/etc/policies',
    });
  });

  test('an empty environment variable counts as not set', () => {
    expect(read([], { MAX_MOVES: '', DRY_RUN: ' ' }).values).toMatchObject({ maxMoves: 2, dryRun: false });
  });

  test('a bad environment variable does no harm where the flag is given', () => {
    expect(read(['--max-moves', '4'], { MAX_MOVES: 'many' }).values.maxMoves).toBe(4);
  });

  test('the values are frozen', () => {
    expect(Object.isFrozen(read([]).values)).toBe(true);
  });
});

describe('booleans', () => {
  test('a bare flag is true and leaves the next word alone', () => {
    const { values, positionals } = read(['--dry-run', 'status']);
    expect(values.dryRun).toBe(true);
    expect(positionals).toEqual(['status']);
  });

  test.each([
    ['true', true],
    ['1', true],
    ['FALSE', false],
    ['0', false],
  ])('DRY_RUN=%s is %s', (text, value) => {
    expect(read([], { DRY_RUN: text }).values.dryRun).toBe(value);
  });

  test('any other word is refused', () => {
    expect(problemsOf([], { DRY_RUN: 'yes' })).toEqual([
      '--dry-run / DRY_RUN: "yes" is neither true nor false; as a flag it takes no value (from DRY_RUN)',
    ]);
  });
});

describe('lists', () => {
  const list = { flag: 'drive', env: 'DRIVES', kind: 'list', description: 'Drives.' } as const;
  const drives = (argv: string[], env: NodeJS.ProcessEnv = {}) => readOptions({ list }, { argv, env }).values.list;

  test('a flag may be given several times, and its value may have several parts', () => {
    expect(drives(['--drive', '/a,zone=1', '--drive=/b; /c'])).toEqual(['/a,zone=1', '/b', '/c']);
  });

  test('the environment gives the parts with semicolons between them, and a flag wins over all of them', () => {
    expect(drives([], { DRIVES: '/a;/b;' })).toEqual(['/a', '/b']);
    expect(drives(['--drive', '/c'], { DRIVES: '/a;/b' })).toEqual(['/c']);
  });

  test('absent it is empty; empty it is refused', () => {
    expect(drives([])).toEqual([]);
    expect(problemsOf(['--drive', ';'], {}, { list })).toEqual(['--drive / DRIVES: must not be empty (from --drive)']);
  });
});

describe('log level', () => {
  test.each([
    ['debug', 'debug'],
    ['couchestor=debug', 'debug'],
    ['info,hyper=warn', 'info'],
    ['couchestor::brain=TRACE,warn', 'trace'],
  ])('RUST_LOG=%s means %s', (text, level) => {
    expect(read([], { RUST_LOG: text }).values.logLevel).toBe(level);
  });

  test('LOG_LEVEL wins over its alias', () => {
    expect(read([], { RUST_LOG: 'debug', LOG_LEVEL: 'error' }).values.logLevel).toBe('error');
  });

  test('a word that is no level is refused by name', () => {
    expect(problemsOf([], { RUST_LOG: 'loud' })).toEqual([
      '--log-level / LOG_LEVEL / RUST_LOG: "loud" is not one of trace, debug, info, warn, error (from RUST_LOG)',
    ]);
  });
});

describe('what is refused', () => {
  test('all bad options are reported together, each by flag and environment variable', () => {
    const problems = problemsOf(['--max-moves', '0', '--poll-interval=soon', '--nonsense', '--prometheus-url', 'prom:9090', '--policies']);
    expect(problems).toEqual([
      '--nonsense: there is no such option',
      '--policies / POLICIES: needs a value',
      '--prometheus-url / PROMETHEUS_URL: "prom:9090" is not a URL: write it as http://host:port (from --prometheus-url)',
      '--max-moves / MAX_MOVES: 0 is too small: the least is 1 (from --max-moves)',
      '--poll-interval / POLL_INTERVAL: "soon" is not a duration: write digits and a unit, for example 90s, 30m, 24h or 1d12h (from --poll-interval)',
    ]);
  });

  test('an unknown flag gets the nearest known one suggested', () => {
    expect(problemsOf(['--dryrun'])).toEqual(['--dryrun: there is no such option; did you mean --dry-run?']);
  });

  test.each([
    ['--max-moves=2.5', '"2.5" is not a whole number'],
    ['--max-moves=99', '99 is too large: the most is 64'],
    ['--poll-interval=0s', 'must be above zero'],
    ['--prometheus-url=ftp://x', 'must begin with http:// or https://'],
  ])('%s is refused: %s', (argument, message) => {
    expect(problemsOf([argument])[0]).toContain(message);
  });

  test('a required option that is absent is named', () => {
    expect(problemsOf([], {}, { key: { flag: 'key', env: 'KEY', kind: 'string', description: 'A key.' } })).toEqual([
      '--key / KEY: is required and was not given',
    ]);
  });

  test('secrets and passwords do not appear in messages', () => {
    const secret = { flag: 'pin', env: 'PIN', kind: 'integer', secret: true, description: 'A secret number.' } as const;
    expect(problemsOf(['--pin', 'hunter2'], {}, { secret }).join()).not.toContain('hunter2');
    expect(problemsOf(['--prometheus-url', 'ftp://me:hunter2@x']).join()).not.toContain('hunter2');
  });

  test('a table with one flag twice is a bug and throws', () => {
    const entry = { flag: 'a', kind: 'boolean', description: 'A.' } as const;
    expect(() => defineOptions({ one: entry, two: entry })).toThrow('--a twice');
  });
});

test('words after -- are never options', () => {
  expect(read(['--dry-run', '--', '--max-moves', 'x']).positionals).toEqual(['--max-moves', 'x']);
  expect(wantsHelp(['--', '--help'])).toBe(false);
  expect(wantsHelp(['run', '-h'])).toBe(true);
});

test('help names every option with its environment variable and default', () => {
  expect(renderOptions(table)).toContain(
    '  --max-moves <number>\n      Moves at a time.\n      [env: MAX_MOVES] [default: 2]\n  --dry-run\n      Decide, but do not move.\n      [env: DRY_RUN]\n  --poll-interval <duration>\n      Time between polls.\n      [env: POLL_INTERVAL] [default: 1m30s]',
  );
  expect(renderOptions(table)).toContain('--log-level <trace|debug|info|warn|error>');
});
