/** Long operations as a bar in a terminal, or as a line now and then where there is none. */
import type { Operation, OperationResult } from '@couchestor/shared/contracts/vault';
import { formatDuration } from '@couchestor/shared/duration';
import { CodedError } from '@couchestor/shared/errors';
import { sleep } from '@couchestor/shared/time';
import type { VaultClient } from '@couchestor/shared/vault-client';
import { formatBytes, formatCount } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { progressBar } from '../terminal/progress-bar.ts';

const pollMs = 200;
const barColumns = 28;
/** Without a terminal a line is written each time so much more is done. */
const percentStep = 10;

type Seen = Pick<Operation, 'done' | 'total' | 'unit' | 'etaSeconds'> & { readonly kind: string };

/** Draws what it is given. */
export class ProgressLine {
  readonly #output: Output;
  #told = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  show(seen: Seen): void {
    const { redraw } = this.#output;
    if (redraw !== undefined) {
      redraw(progressText(seen));
      return;
    }
    const percent = percentOf(seen);
    if (percent !== undefined && percent >= this.#told + percentStep && percent < 100) {
      this.#told = percent - (percent % percentStep);
      this.#output.note(progressText(seen));
    }
  }

  end(): void {
    this.#output.redraw?.('');
  }
}

/** `scrub ████░░░░ 42 %  1,234 of 2,900 stripes, 3m left` */
export function progressText({ kind, done, total, unit, etaSeconds }: Seen): string {
  const amount = unit === 'bytes' ? formatBytes : formatCount;
  const percent = percentOf({ done, total });
  if (percent === undefined) {
    return `${kind} ${amount(done)}${unit === 'bytes' ? '' : ` ${unit}`}`;
  }
  const left = etaSeconds === undefined ? '' : `, ${formatDuration(Math.max(1, Math.ceil(etaSeconds)) * 1_000)} left`;
  return `${kind} ${progressBar({ percent, columns: barColumns })} ${Math.floor(percent)} %  ${amount(done)} of ${amount(total)}${unit === 'bytes' ? '' : ` ${unit}`}${left}`;
}

function percentOf({ done, total }: Pick<Seen, 'done' | 'total'>): number | undefined {
  return total > 0 ? Math.min(100, (done / total) * 100) : undefined;
}

/** Until it has ended. Throws what it failed with. A command that is interrupted leaves it running. */
export async function followOperation(o: { client: VaultClient; begun: Operation; output: Output }): Promise<OperationResult> {
  const line = new ProgressLine(o.output);
  try {
    for (let seen = o.begun; ; seen = await o.client.operation(o.begun.id)) {
      if (seen.phase === 'done' && seen.result !== undefined) {
        return seen.result;
      }
      if (seen.error !== undefined) {
        const { code, help, retry, facts } = seen.error;
        throw new CodedError({ code, entry: { help, retry }, facts });
      }
      line.show(seen);
      await sleep(pollMs);
    }
  } finally {
    line.end();
  }
}
