/** One thing that the uninstaller does, or would do. */
import { describeError } from '@couchestor/shared/errors';

export interface Step {
  readonly words: string;
  make(): Promise<unknown>;
}

export interface Done {
  readonly words: string;
  readonly answer: string;
  readonly ok: boolean;
}

/** One after the other; one that fails does not keep the next from being tried. */
export async function makeAll(steps: readonly Step[]): Promise<Done[]> {
  const done: Done[] = [];
  for (const { words, make } of steps) {
    done.push(
      await make().then(
        () => ({ words, answer: 'done', ok: true }),
        (error: unknown) => ({ words, answer: describeError(error), ok: false }),
      ),
    );
  }
  return done;
}
