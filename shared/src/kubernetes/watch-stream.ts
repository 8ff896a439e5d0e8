/** The events of one watch, from the bytes of its answer: one JSON document to a line. */
import { z } from 'zod';
import { type Call, callFacts, checkShape, describeIssues, errorOfStatus, parseJson, statusSchema } from './answer.ts';
import { KubeError } from './errors.ts';
import type { Resource } from './resource.ts';

export type WatchEvent<T> =
  | {
      readonly type: 'ADDED' | 'MODIFIED';
      readonly name: string;
      readonly namespace?: string;
      readonly resourceVersion: string;
      readonly object: T;
    }
  | { readonly type: 'DELETED'; readonly name: string; readonly namespace?: string; readonly resourceVersion: string }
  /** Nothing happened up to this version. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  /** Added or modified, and not of the shape that we know. */
  | {
      readonly type: 'INVALID';
      readonly name: string;
      readonly namespace?: string;
      readonly resourceVersion: string;
      readonly message: string;
    };

// etcd holds no object above 1.5 MiB; as JSON, with escapes, it is a few times that.
const lineBytesMax = 16 * 1024 * 1024;

const eventSchema = z.looseObject({ type: z.string(), object: z.looseObject({}) });
const versionedSchema = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string().min(1) }) });
const namedSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string().min(1), namespace: z.string().optional(), resourceVersion: z.string().min(1) }),
});

/** One line of a watch. An ERROR event is thrown: GONE where the version to go on from is too old. */
export function readWatchEvent<T>(call: Call, resource: Resource<T>, line: string): WatchEvent<T> {
  const { type, object } = checkShape(call, eventSchema, parseJson(call, line));
  if (type === 'ERROR') {
    const status = statusSchema.safeParse(object).data;
    // 1.20 says 410 in the code; some proxies leave the code out.
    const gone = status?.reason === 'Expired' || status?.reason === 'Gone';
    throw errorOfStatus(call, { code: gone ? 410 : (status?.code ?? 500), reason: status?.reason, message: status?.message });
  }
  if (type === 'BOOKMARK') {
    return { type, resourceVersion: checkShape(call, versionedSchema, object).metadata.resourceVersion };
  }
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') {
    throw new KubeError('INVALID_ANSWER', { ...callFacts(call), problem: `an event of type ${type.slice(0, 40)}` });
  }
  const { name, namespace, resourceVersion } = checkShape(call, namedSchema, object).metadata;
  const identity = { name, ...(namespace === undefined ? {} : { namespace }), resourceVersion };
  if (type === 'DELETED') {
    return { type, ...identity };
  }
  const checked = resource.schema.safeParse(object);
  return checked.success
    ? { type, ...identity, object: checked.data }
    : { type: 'INVALID', ...identity, message: describeIssues(checked.error) };
}

/**
 * The lines of a body that arrives in pieces. Calls `onSilence` once nothing has come for `inactivityMs` while it waits; time that the
 * caller takes over a line does not count.
 */
export async function* linesOf(
  call: Call,
  body: AsyncIterable<Buffer>,
  o: { inactivityMs: number; onSilence: () => void },
): AsyncGenerator<string, void, undefined> {
  const chunks = body[Symbol.asyncIterator]();
  let begun: Buffer[] = [];
  let begunBytes = 0;
  try {
    for (;;) {
      const timer = setTimeout(o.onSilence, o.inactivityMs);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) {
        break;
      }
      let rest = next.value;
      for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
        const line = Buffer.concat([...begun, rest.subarray(0, end)]).toString('utf8');
        begun = [];
        begunBytes = 0;
        rest = rest.subarray(end + 1);
        if (line.trim() !== '') {
          yield line;
        }
      }
      begunBytes += rest.length;
      if (begunBytes > lineBytesMax) {
        throw new KubeError('INVALID_ANSWER', { ...callFacts(call), problem: `an event larger than ${lineBytesMax} bytes` });
      }
      if (rest.length > 0) {
        begun.push(rest);
      }
    }
  } finally {
    // Closes the connection where the caller leaves in the middle.
    await chunks.return?.();
  }
  if (Buffer.concat(begun).toString('utf8').trim() !== '') {
    throw new KubeError('UNREACHABLE', { ...callFacts(call), problem: 'the watch ended in the middle of an event', sent: true });
  }
}
