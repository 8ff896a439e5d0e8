/**
 * `npm run bench [-- name ...]`: runs the benchmarks named, or all. They print figures and ratios against a baseline measured in the same
 * run, for the machines that they run on are shared; none of them is a test.
 */
const benches: Readonly<Record<string, () => Promise<{ run(): Promise<void> }>>> = {
  'brain-round': () => import('./brain-round.ts'),
  'brain-footprint': () => import('./brain-footprint.ts'),
  'watcher-round': () => import('./watcher-round.ts'),
  'decision-latency': () => import('./decision-latency.ts'),
  codec: () => import('./codec.ts'),
  ec: () => import('./ec.ts'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => benches[name] === undefined);
if (unknown.length > 0 || wanted.includes('--help')) {
  process.stderr.write(`usage: npm run bench [-- name ...]\nnames: ${Object.keys(benches).join(', ')}\n`);
  process.exitCode = 2;
} else {
  for (const [name, load] of Object.entries(benches)) {
    if (wanted.length === 0 || wanted.includes(name)) {
      process.stdout.write(`\n== ${name}\n`);
      await (await load()).run();
    }
  }
}
