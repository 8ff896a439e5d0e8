import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { sleep } from '../time.ts';
import { KubeError } from './errors.ts';
import { persistentVolumes } from './objects.ts';
import { linesOf, readWatchEvent } from './watch-stream.ts';

const call = { method: 'GET', path: '/api/v1/persistentvolumes' } as const;
const patient = { inactivityMs: 60_000, onSilence: () => undefined };

async function* piecesOf(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(from, cut);
    from = cut;
  }
  yield bytes.subarray(from);
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) {
    all.push(line);
  }
  return all;
}

function read(event: unknown): unknown {
  return readWatchEvent(call, persistentVolumes, JSON.stringify(event));
}

const metadata = { name: 'pv', uid: 'u', resourceVersion: '7' };

describe('linesOf', () => {
  it('gives the same lines however the bytes are cut into pieces, also in the middle of a character', async () => {
    const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.trim() !== '' && !text.includes('\n'));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''), 'utf8');
        const inside = cuts.map((cut) => cut % (bytes.length + 1));
        expect(await collect(linesOf(call, piecesOf(bytes, inside), patient))).toEqual(lines);
      }),
    );
  });

  it('takes an end in the middle of a line for a broken connection', async () => {
    const lines = linesOf(call, piecesOf(Buffer.from('whole\nhalf'), []), patient);
    await expect(collect(lines)).rejects.toSatisfy((error) => KubeError.is(error, 'UNREACHABLE'));
  });

  it('refuses a line that has no end', async () => {
    async function* forever(): AsyncGenerator<Buffer> {
      for (;;) {
        yield Buffer.alloc(1024 * 1024, 'x');
      }
    }
    await expect(collect(linesOf(call, forever(), patient))).rejects.toSatisfy((error) => KubeError.is(error, 'INVALID_ANSWER'));
  });

  it('takes any number of lines that have an end', async () => {
    async function* many(): AsyncGenerator<Buffer> {
      for (let index = 0; index < 40; index += 1) {
        yield Buffer.alloc(1024 * 1024, 'x').fill('\n', 1024 * 512, 1024 * 512 + 1);
      }
      yield Buffer.from('\n');
    }
    expect(await collect(linesOf(call, many(), patient))).toHaveLength(41);
  });

  it('calls it silence when nothing has come for that long, and not what comes late but in time or is read slowly', async () => {
    vi.useFakeTimers();
    try {
      let silent = 0;
      async function* slow(): AsyncGenerator<Buffer> {
        for (const ms of [900, 900, 900, 1_100]) {
          await sleep(ms);
          yield Buffer.from('x\n');
        }
      }
      const silences: number[] = [];
      const onSilence = (): void => {
        silent += 1;
      };
      const reading = (async () => {
        for await (const _ of linesOf(call, slow(), { inactivityMs: 1_000, onSilence })) {
          silences.push(silent);
          await sleep(5_000);
        }
      })();
      await vi.advanceTimersByTimeAsync(60_000);
      await reading;
      expect(silences).toEqual([0, 0, 0, 1]);
      expect(silent).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('closes the body when it is left early', async () => {
    let closed = false;
    async function* body(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.from('a\nb\n');
      } finally {
        closed = true;
      }
    }
    for await (const line of linesOf(call, body(), patient)) {
      expect(line).toBe('a');
      break;
    }
    expect(closed).toBe(true);
  });
});

describe('readWatchEvent', () => {
  it('reads what the API server sends', () => {
    expect(read({ type: 'ADDED', object: { metadata, spec: {} } })).toMatchObject({ type: 'ADDED', name: 'pv', resourceVersion: '7' });
    expect(read({ type: 'DELETED', object: { metadata } })).toEqual({ type: 'DELETED', name: 'pv', resourceVersion: '7' });
    expect(read({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } })).toEqual({ type: 'BOOKMARK', resourceVersion: '9' });
  });

  it('gives an object of an unknown shape by its name', () => {
    expect(read({ type: 'MODIFIED', object: { metadata, spec: { capacity: 5 } } })).toMatchObject({
      type: 'INVALID',
      name: 'pv',
      message: expect.stringContaining('spec.capacity'),
    });
  });

  it.each([
    ['a version that is too old', { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }, 'GONE'],
    ['one without its code', { type: 'ERROR', object: { kind: 'Status', reason: 'Expired' } }, 'GONE'],
    ['a failure of the server', { type: 'ERROR', object: { kind: 'Status', code: 500 } }, 'SERVER_ERROR'],
    ['an error that is no Status', { type: 'ERROR', object: {} }, 'SERVER_ERROR'],
    ['an unknown type', { type: 'RENAMED', object: { metadata } }, 'INVALID_ANSWER'],
    ['an object without a name', { type: 'ADDED', object: { metadata: { resourceVersion: '1' } } }, 'INVALID_ANSWER'],
    ['an object without a version', { type: 'ADDED', object: { metadata: { name: 'pv' } } }, 'INVALID_ANSWER'],
    ['something else altogether', [1, 2], 'INVALID_ANSWER'],
  ] as const)('throws for %s', (_, event, code) => {
    expect(() => read(event)).toThrow(expect.toSatisfy((error) => KubeError.is(error, code)));
  });

  it('quotes nothing of what is not JSON', () => {
    expect(() => readWatchEvent(call, persistentVolumes, '{"token":"s3cr3t')).toThrow(
      expect.toSatisfy((error) => KubeError.is(error, 'INVALID_ANSWER') && !error.message.includes('s3cr3t')),
    );
  });
});
