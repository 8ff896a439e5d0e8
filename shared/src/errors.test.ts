import { describe, expect, it } from 'vitest';
import { CodedError, defineErrors, describeError } from './errors.ts';

const DoorError = defineErrors('DOOR', {
  LOCKED: { retry: true, help: 'The door is locked. Find the key.' },
  GONE: { retry: false, help: 'There is no door.' },
});
const WindowError = defineErrors('WINDOW', { LOCKED: { retry: false, help: 'The window is locked.' } });
const DoorbellError = defineErrors('DOORBELL', { GONE: { retry: false, help: 'There is no bell.' } });

describe('a coded error', () => {
  it('has its domain and code, its verdict on retrying, its help and its facts', () => {
    const cause = new Error('rust');
    const error = new DoorError('LOCKED', { door: 'front', tries: 3 }, { cause });
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 'DOOR_LOCKED', retry: true, help: 'The door is locked. Find the key.', name: 'DOORError', cause });
    expect(error.facts).toEqual({ door: 'front', tries: 3 });
    expect(new DoorError('GONE').retry).toBe(false);
  });

  it('says in its message what happened, with the facts that are known', () => {
    expect(new DoorError('LOCKED', { door: 'front', colour: undefined, tries: 0, old: false }).message).toBe(
      'DOOR_LOCKED: The door is locked. Find the key. (door=front, tries=0, old=false)',
    );
    expect(new DoorError('GONE').message).toBe('DOOR_GONE: There is no door.');
  });

  it('is recognised by its domain and code, not by the beginning of another domain', () => {
    const error = new DoorError('LOCKED');
    expect(DoorError.is(error)).toBe(true);
    expect(DoorError.is(error, 'LOCKED')).toBe(true);
    expect(DoorError.is(error, 'GONE')).toBe(false);
    expect(WindowError.is(error, 'LOCKED')).toBe(false);
    expect(DoorError.is(new DoorbellError('GONE'))).toBe(false);
    expect(DoorError.is(new Error('DOOR_LOCKED'))).toBe(false);
    expect(DoorError.is(undefined)).toBe(false);
  });
});

describe('describing what was thrown', () => {
  it('tells the chain of causes on one line', () => {
    const error = new Error('outer\n  failed', { cause: new Error('middle', { cause: 'a string' }) });
    expect(describeError(error)).toBe('outer failed: caused by middle: caused by a string');
  });

  it('takes anything', () => {
    expect(describeError('text')).toBe('text');
    expect(describeError(7)).toBe('7');
    expect(describeError(null)).toBe('null');
  });

  it('ends for errors that cause each other', () => {
    const one = new Error('one');
    const two = new Error('two', { cause: one });
    one.cause = two;
    expect(describeError(one).split(': caused by ')).toEqual(['one', 'two', 'one', 'two', 'one']);
  });
});
