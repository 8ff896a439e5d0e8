/**
 * Starts a thread from one of our files: as it is where the service was built, and bundled on the spot where it runs from its source, because
 * Node.js 20 does not let the loaders of its main thread read TypeScript in others.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

interface Bundler {
  buildSync(o: object): { outputFiles: readonly [{ text: string }] };
}

/** By file: a process starts many threads of each. */
const bundles = new Map<string, string>();

/** `file` is relative to `from`, the `import.meta.url` of the caller, and named without its ending. */
export function startThread(o: { file: string; from: string; name: string; workerData: unknown }): Worker {
  const { file, from, name, workerData } = o;
  if (!from.endsWith('.ts')) {
    return new Worker(new URL(`${file}.js`, from), { name, workerData });
  }
  const source = new URL(`${file}.ts`, from);
  const code = bundles.get(source.href) ?? bundle(fileURLToPath(source));
  bundles.set(source.href, code);
  // Without the parent's flags, which name loaders.
  return new Worker(code, { eval: true, name, workerData, execArgv: [] });
}

function bundle(path: string): string {
  // What tsx itself compiles with.
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const bundler = createRequire(tsx)('esbuild') as Bundler;
  return bundler.buildSync({
    entryPoints: [path],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    conditions: ['source'],
    sourcemap: 'inline',
    sourcesContent: false,
  }).outputFiles[0].text;
}
