/** The last line of a CI run, from vitest's JSON report. A test that was skipped, or none that passed, is a failure. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @param {string} json
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
export function countTests(json) {
  const report = JSON.parse(json);
  // A file that does not even load has no tests to count: it counts as one that failed.
  const broken = report.testResults.filter(
    /** @param {{ status: string, assertionResults: { status: string }[] }} file */
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** @param {string} file */
function main(file) {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = countTests(readFileSync(file, 'utf8'));
  } catch (error) {
    process.stdout.write(`there is no report of the tests: ${error instanceof Error ? error.message : error}\n`);
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = counts.passed > 0 && counts.failed === 0 && counts.skipped === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv[2] ?? '');
}
