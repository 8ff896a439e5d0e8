/** `couchestor ec drive ...`. */
import { driveOf } from '@couchestor/ec-encoder/config';
import { printJson } from '../client/print-json.ts';
import { exitCodes, usageError } from '../errors.ts';
import { drivesTable } from '../view/vault-page.ts';
import { endOperation } from './operations.ts';
import { typed, type VaultRequest } from './request.ts';

export const driveSubcommands = {
  list: { takes: [], run: list },
  add: { takes: ['<path[,zone=,node=,pool=,disk=]>'], run: add },
  fail: { takes: ['<number or path>'], run: fail },
  drain: { takes: ['<number>'], run: drain },
  replace: { takes: ['<number>', '<path[,zone=,node=,pool=,disk=]>'], run: replace },
} as const satisfies Record<string, { takes: readonly string[]; run: (request: VaultRequest) => Promise<number> }>;

async function list({ values, client, invocation: { output } }: VaultRequest): Promise<number> {
  const drives = await client.listDrives();
  if (values.json) {
    printJson(output, { drives });
  } else {
    drivesTable(drives, { paint: output.paint, columns: output.columns }).forEach(output.print);
  }
  return exitCodes.ok;
}

async function add({ values, client, words: [text = ''], invocation: { output } }: VaultRequest): Promise<number> {
  const drive = await client.addDrive(typed(() => driveOf(text)));
  if (values.json) {
    printJson(output, drive);
  } else {
    output.print(`drive ${drive.number}: ${drive.path} takes part from now on.`);
  }
  return exitCodes.ok;
}

async function fail({ values, client, words: [which = ''], invocation: { output } }: VaultRequest): Promise<number> {
  const drive = await client.failDrive(which.startsWith('/') ? which : driveNumber(which));
  if (values.json) {
    printJson(output, drive);
  } else {
    output.print(`drive ${drive.number}: failed. Its shards are rebuilt on the others; \`couchestor ec status\` tells how far that is.`);
  }
  return exitCodes.ok;
}

async function drain(request: VaultRequest): Promise<number> {
  const [number = ''] = request.words;
  return endOperation(request, await request.client.drainDrive(driveNumber(number)));
}

async function replace(request: VaultRequest): Promise<number> {
  const [number = '', text = ''] = request.words;
  return endOperation(request, await request.client.replaceDrive({ number: driveNumber(number), ...typed(() => driveOf(text)) }));
}

function driveNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw usageError(`"${text}" is not the number of a drive: \`couchestor ec drive list\` tells them`);
  }
  return Number(text);
}
