import { describe, expect, it } from 'vitest';
import { ObjectStore } from './object-store.ts';

const object = (o: { uid?: string; resourceVersion?: string } = {}) => ({
  metadata: { name: 'a', uid: o.uid ?? 'u', resourceVersion: o.resourceVersion ?? '1' },
});

describe('the store of a reflector', () => {
  it('keeps the object that it has told of where a list brings the same again', () => {
    const store = new ObjectStore<ReturnType<typeof object>>();
    const first = object();
    expect(store.replaceAll({ items: [first], invalid: [] })).toEqual(['a']);
    expect(store.replaceAll({ items: [object()], invalid: [] })).toEqual([]);
    expect(store.valid.get('a')).toBe(first);
  });

  it.each([{ uid: 'another' }, { resourceVersion: '2' }])('takes and tells what has %o', (o) => {
    const store = new ObjectStore<ReturnType<typeof object>>();
    store.replaceAll({ items: [object()], invalid: [] });
    const next = object(o);
    expect(store.replaceAll({ items: [next], invalid: [] })).toEqual(['a']);
    expect(store.valid.get('a')).toBe(next);
  });

  it('tells what becomes readable in the version that was refused', () => {
    const store = new ObjectStore<ReturnType<typeof object>>();
    store.replaceAll({ items: [object()], invalid: [] });
    expect(store.replaceAll({ items: [], invalid: [{ name: 'a', message: 'bad' }] })).toEqual(['a']);
    expect(store.replaceAll({ items: [object()], invalid: [] })).toEqual(['a']);
    expect(store.invalid.size).toBe(0);
  });
});
