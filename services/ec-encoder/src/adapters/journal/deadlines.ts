/** What is asked of disks that may not answer. */

/** Until it is settled, or for so long; what it rejects with is not told. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work.catch(() => undefined), timeout]);
  clearTimeout(timer);
}

/**
 * The first good answer. The next one is asked when one fails, or has not answered for so long; the earlier ones still count. Rejects with an
 * AggregateError once all have failed.
 */
export function firstGood<T>(attempts: readonly (() => Promise<T>)[], patienceMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const errors: unknown[] = [];
    let begun = 0;
    let timer: NodeJS.Timeout | undefined;
    const next = () => {
      clearTimeout(timer);
      const attempt = attempts[begun];
      begun += 1;
      if (begun < attempts.length) {
        timer = setTimeout(next, patienceMs);
      }
      attempt?.().then(
        (answer) => {
          clearTimeout(timer);
          begun = attempts.length;
          resolve(answer);
        },
        (error: unknown) => {
          errors.push(error);
          if (errors.length === attempts.length) {
            reject(new AggregateError(errors));
          } else if (begun < attempts.length) {
            next();
          }
        },
      );
    };
    if (attempts.length === 0) {
      reject(new AggregateError([]));
    } else {
      next();
    }
  });
}
