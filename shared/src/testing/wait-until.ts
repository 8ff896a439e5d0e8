/** Waits for a condition in a test, instead of for a time. */

/** Resolves once `condition` holds. Rejects after `timeoutMs`, saying what was waited for; an error of the condition's own is its cause. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  o: { timeoutMs?: number; intervalMs?: number; what?: string } = {},
): Promise<void> {
  const { timeoutMs = 10_000, intervalMs = 20, what = String(condition) } = o;
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      if (await condition()) {
        return;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadlineMs) {
      throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
