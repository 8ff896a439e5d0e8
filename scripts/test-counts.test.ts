import { expect, test } from 'vitest';
import { countTests } from './test-counts.mjs';

const report = (o: object): string =>
  JSON.stringify({ numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [], ...o });

test('passed, failed and skipped tests are counted, and todos as skipped', () => {
  expect(countTests(report({ numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }))).toEqual({ passed: 3, failed: 2, skipped: 2 });
});

test('a file that does not load counts as one failed test', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'failed' }] },
    { status: 'passed', assertionResults: [{ status: 'passed' }] },
  ];
  expect(countTests(report({ numFailedTests: 1, testResults }))).toEqual({ passed: 3, failed: 2, skipped: 0 });
});
