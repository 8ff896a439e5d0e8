/** The clock of a server, by the Date of any of its answers. */
import { Agent, request } from 'undici';
import type { ClockFacts } from '../facts.ts';

/** A Date tells whole seconds: what it means lies half of one later on average. */
const halfSecondMs = 500;

export interface ClockSource {
  readonly whose: string;
  readonly url: string;
  readonly tls?: { readonly ca?: string | Buffer; readonly rejectUnauthorized?: boolean; readonly servername?: string };
}

/** Without credentials: a refusal has a Date, too. */
export async function lookAtClock({ whose, url, tls = {} }: ClockSource, signal: AbortSignal): Promise<ClockFacts> {
  const { origin, pathname } = new URL(url);
  const dispatcher = new Agent({ connect: { ...tls } });
  try {
    // Twice: setting up the connection is none of the way that counts.
    await ask(dispatcher, origin + pathname, signal);
    const beganMs = performance.now();
    const date = await ask(dispatcher, origin + pathname, signal);
    const tookMs = performance.now() - beganMs;
    const theirsMs = Date.parse(date ?? '');
    if (Number.isNaN(theirsMs)) {
      throw new Error('the answer has no Date');
    }
    return { whose, aheadMs: theirsMs + halfSecondMs - (Date.now() - tookMs / 2), uncertaintyMs: halfSecondMs + tookMs / 2 };
  } finally {
    await dispatcher.destroy();
  }
}

async function ask(dispatcher: Agent, url: string, signal: AbortSignal): Promise<string | undefined> {
  const { headers, body } = await request(url, { dispatcher, signal });
  await body.dump();
  return typeof headers['date'] === 'string' ? headers['date'] : undefined;
}
