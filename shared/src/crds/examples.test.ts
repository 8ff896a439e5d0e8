import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { judgeDocument } from './judge.ts';

const documentsOf = (file: string) =>
  parseAllDocuments(readFileSync(new URL(`../../../deploy/examples/${file}`, import.meta.url), 'utf8')).map((document) => document.toJS());

const storage = documentsOf('storagepolicy-examples.yaml').map(judgeDocument);
const erasureCoding = documentsOf('erasurecodingpolicy-examples.yaml').map(judgeDocument);

describe('the examples', () => {
  it('are valid, each file with its kind', () => {
    expect(storage.length).toBeGreaterThan(3);
    expect(erasureCoding.length).toBeGreaterThan(2);
    expect(storage.map(({ kind }) => kind)).toEqual(storage.map(() => 'StoragePolicy'));
    expect(erasureCoding.map(({ kind }) => kind)).toEqual(erasureCoding.map(() => 'ErasureCodingPolicy'));
  });

  it('have names of their own, and storage classes of their own: applied together, none is in the way of another', () => {
    const policies = storage.flatMap((judged) => (judged.kind === 'StoragePolicy' ? [judged] : []));
    const classes = policies.map(({ spec }) => spec.storageClassName);
    expect(new Set(policies.map(({ name }) => name)).size).toBe(policies.length);
    expect(new Set(classes).size).toBe(classes.length);
  });

  it('refer to erasure coding policies that are there', () => {
    const names = erasureCoding.flatMap((judged) => (judged.kind === 'ErasureCodingPolicy' ? [judged.name] : []));
    const wanted = storage.flatMap((judged) => (judged.kind === 'StoragePolicy' ? (judged.spec.ecPolicyRef ?? []) : []));
    expect(wanted.length).toBeGreaterThan(0);
    expect(names).toEqual(expect.arrayContaining(wanted));
  });
});
