/** `couchestor ec status|scrub|rebuild|verify|operations|cancel`, and how every long operation is followed to its end. */
import type { Operation } from '@couchestor/shared/contracts/vault';
import { printJson } from '../client/print-json.ts';
import { exitCodes } from '../errors.ts';
import { renderTable } from '../terminal/table.ts';
import { vaultPage } from '../view/vault-page.ts';
import type { VaultRequest } from './request.ts';
import { followOperation, progressText } from './show-progress.ts';

export const vaultSubcommands = {
  status: { takes: [], run: status },
  scrub: { takes: [], run: (request: VaultRequest) => runOperation(request, 'scrub') },
  rebuild: { takes: [], run: (request: VaultRequest) => runOperation(request, 'rebuild') },
  verify: { takes: [], run: (request: VaultRequest) => runOperation(request, 'verify') },
  operations: { takes: [], run: list },
  cancel: { takes: ['<operation>'], run: cancel },
} as const satisfies Record<string, { takes: readonly string[]; run: (request: VaultRequest) => Promise<number> }>;

async function status({ values, client, invocation: { output } }: VaultRequest): Promise<number> {
  const found = await client.status();
  if (values.json) {
    printJson(output, found);
  } else {
    vaultPage(found, { paint: output.paint, columns: output.columns }).forEach(output.print);
  }
  return found.phase === 'failed' ? exitCodes.failed : exitCodes.ok;
}

async function runOperation(request: VaultRequest, kind: 'scrub' | 'rebuild' | 'verify'): Promise<number> {
  return endOperation(request, await request.client.begin(kind));
}

/** Follows it, and tells its end. Exit code 1 where it found something that could not be made good. */
export async function endOperation({ values, client, invocation: { output } }: VaultRequest, begun: Operation): Promise<number> {
  output.note(`${begun.kind} began. It goes on if you leave; \`couchestor ec cancel ${begun.id}\` ends it.`);
  const result = await followOperation({ client, begun, output });
  if (values.json) {
    printJson(output, result);
  } else {
    output.print(result.message);
  }
  const unhealed = (result.errorsFound ?? 0) - (result.healed ?? 0);
  return (result.stripesLost ?? 0) > 0 || unhealed > 0 ? exitCodes.failed : exitCodes.ok;
}

async function list({ values, client, invocation: { output } }: VaultRequest): Promise<number> {
  const operations = await client.listOperations();
  if (values.json) {
    printJson(output, { operations });
    return exitCodes.ok;
  }
  if (operations.length === 0) {
    output.note('No operation was begun since the vault was started.');
    return exitCodes.ok;
  }
  renderTable(
    operations,
    [
      { title: 'OPERATION', value: ({ id }) => id },
      { title: 'PHASE', value: ({ phase }) => phase },
      { title: 'STARTED', value: ({ startedAt }) => startedAt },
      { title: 'WHAT', value: (operation) => operation.result?.message ?? operation.error?.help ?? progressText(operation), shrinkTo: 20 },
    ],
    { paint: output.paint, columns: output.columns },
  ).forEach(output.print);
  return exitCodes.ok;
}

async function cancel({ values, client, words: [id = ''], invocation: { output } }: VaultRequest): Promise<number> {
  const operation = await client.cancelOperation(id);
  if (values.json) {
    printJson(output, operation);
  } else {
    output.print(`${operation.kind}: ${operation.phase === 'running' ? 'is being cancelled' : `was ${operation.phase} already`}.`);
  }
  return exitCodes.ok;
}
