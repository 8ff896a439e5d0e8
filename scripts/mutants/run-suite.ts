/** One run of vitest, up to the first test that fails. */
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Suite } from './mutant.ts';

/** The slowest suite takes a tenth of it on two busy cores. A mutant that loops for ever is told from one that is slow by this alone. */
const limitMs = 10 * 60_000;

export type SuiteResult =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly test: string }
  /** It says nothing about the rule: the source did not load, or no test was run. */
  | { readonly kind: 'broken'; readonly why: string };

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly ancestorTitles: readonly string[]; readonly title: string }[];
  }[];
}

export async function runSuite(root: string, { file, tests }: Suite): Promise<SuiteResult> {
  const reportFile = join(root, 'mutant-report.json');
  await rm(reportFile, { force: true });
  const only = tests === undefined ? [] : ['-t', tests.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')];
  const words = ['node_modules/vitest/vitest.mjs', 'run', file, ...only, '--bail', '1', '--reporter', 'json', '--outputFile', reportFile];
  const { code, output } = await runNode(words, root);
  const text = await readFile(reportFile, 'utf8').catch(() => undefined);
  if (text === undefined) {
    return { kind: 'broken', why: code === undefined ? `no end after ${limitMs / 60_000} minutes` : `no report: ${output.slice(-2_000)}` };
  }
  const report = JSON.parse(text) as Report;
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results.find(({ status }) => status === 'failed');
  if (failed !== undefined) {
    return { kind: 'failed', test: [...failed.ancestorTitles, failed.title].filter((title) => title !== '').join(' > ') };
  }
  if (code === 0 && report.numPassedTests > 0) {
    return { kind: 'passed' };
  }
  const message = report.testResults.find(({ status }) => status === 'failed')?.message;
  return {
    kind: 'broken',
    why: report.numPassedTests === 0 ? (message ?? 'no test was run') : `vitest ended with ${code}: ${output.slice(-2_000)}`,
  };
}

/** The exit code is undefined where it had to be killed. */
function runNode(words: readonly string[], cwd: string): Promise<{ code: number | undefined; output: string }> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the workers of vitest end with it.
    const child = spawn(process.execPath, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const chunks: string[] = [];
    const kill = (): void => {
      if (child.pid !== undefined && child.exitCode === null) {
        process.kill(-child.pid, 'SIGKILL');
      }
    };
    const timer = setTimeout(kill, limitMs);
    // Before the copy that it runs in is removed.
    process.prependOnceListener('exit', kill);
    child.stdout.on('data', (chunk) => chunks.push(String(chunk)));
    child.stderr.on('data', (chunk) => chunks.push(String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve({ code: code ?? undefined, output: chunks.join('') });
    });
  });
}
