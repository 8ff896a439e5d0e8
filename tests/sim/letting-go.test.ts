/** The end of a move, where its process dies around it and nobody asks for the move again. */
import { expect, it } from 'vitest';
import { ends, expectNothingLeft, house, pass, request, runToEnd, sweep } from './house.ts';

it('is told before the record is let go of, at whichever of its last operations the process dies', async () => {
  const whole = house({ seed: 1, replicas: 1 });
  const steps = await runToEnd(whole);
  for (let at = steps - 14; at <= steps; at += 1) {
    const h = house({ seed: 1, replicas: 1 });
    const process = h.start(at);
    const work = process.accept(request()).then(() => process.run(request()));
    await h.time.run(Promise.race([work, process.died]), 3_600_000);
    // The gate lock of a dead process has run out by then.
    await pass(h, 60_000);
    await sweep(h);
    expect({ at, ends: ends(h) }).toEqual({ at, ends: ['success MOVED'] });
    expect(await h.start().deps.journal.open.entries()).toEqual([]);
    await expectNothingLeft(h);
  }
});
