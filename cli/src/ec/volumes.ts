/** `couchestor ec volume ...`. */

import type { VolumeDetail, VolumeInfo } from '@couchestor/shared/contracts/vault';
import { defineOptions, type OptionValues } from '@couchestor/shared/options';
import { printJson } from '../client/print-json.ts';
import { exitCodes, usageError } from '../errors.ts';
import { formatBytes, formatCount } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { parseSize } from '../terminal/parse-size.ts';
import { renderTable } from '../terminal/table.ts';
import { volumeMap } from '../view/volume-map.ts';
import { vaultOptions } from './options.ts';
import { splitSnapshot, typed, type VaultRequest } from './request.ts';

export const volumeOptions = defineOptions({
  ...vaultOptions,
  force: { flag: 'force', kind: 'boolean', description: 'resize: make a volume smaller. What lies beyond its new end is gone.' },
  withSnapshots: { flag: 'with-snapshots', kind: 'boolean', description: 'delete: its snapshots too.' },
});

type Request = VaultRequest<OptionValues<typeof volumeOptions>>;

export const volumeSubcommands = {
  create: { takes: ['<name>', '<size>'], run: create },
  list: { takes: [], run: list },
  show: { takes: ['<name>'], run: show },
  resize: { takes: ['<name>', '<size>'], run: resize },
  delete: { takes: ['<name or volume@snapshot>'], run: remove },
  snapshot: { takes: ['<volume>', '<snapshot>'], run: snapshot },
  clone: { takes: ['<volume@snapshot>', '<name>'], run: clone },
} as const satisfies Record<string, { takes: readonly string[]; run: (request: Request) => Promise<number> }>;

async function create({ values, client, words: [name = '', size = ''], invocation: { output } }: Request): Promise<number> {
  const volume = await client.createVolume({ name, sizeBytes: typed(() => parseSize(size)) });
  return told(output, values.json, volume, `${name}: ${formatBytes(volume.sizeBytes)}, thin: it takes space as it is written.`);
}

async function list({ values, client, invocation: { output } }: Request): Promise<number> {
  const volumes = await client.listVolumes();
  if (values.json) {
    printJson(output, { volumes });
    return exitCodes.ok;
  }
  if (volumes.length === 0) {
    output.note('There are no volumes yet. Make one with `couchestor ec volume create <name> <size>`.');
    return exitCodes.ok;
  }
  renderTable(
    volumes,
    [
      { title: 'VOLUME', value: ({ name }) => name, shrinkTo: 10 },
      { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes), align: 'right' },
      { title: 'MAPPED', value: ({ mappedBytes }) => formatBytes(mappedBytes), align: 'right' },
      { title: 'HEALTH', value: healthText, style: (volume) => healthStyles(volume) },
      { title: 'SNAPSHOTS', value: ({ snapshots }) => snapshots.map(({ name }) => name).join(', ') || '-', shrinkTo: 10 },
    ],
    { paint: output.paint, columns: output.columns },
  ).forEach(output.print);
  return exitCodes.ok;
}

async function show({ values, client, words: [name = ''], invocation: { output } }: Request): Promise<number> {
  const volume = await client.showVolume(name);
  if (values.json) {
    printJson(output, volume);
  } else {
    volumePage(volume, output).forEach(output.print);
  }
  return volume.health.lost > 0 ? exitCodes.failed : exitCodes.ok;
}

function volumePage(volume: VolumeDetail, { paint, columns }: Output): string[] {
  const { name, uuid, sizeBytes, mappedBytes, readOnly, createdAt, snapshots, health, map } = volume;
  const field = (label: string, text: string): string => `${paint(label.padEnd(12), 'dim')}${text}`;
  return [
    `${paint(name, 'bold')}  ${paint(uuid, 'dim')}`,
    field('size', `${formatBytes(sizeBytes)}, ${formatBytes(mappedBytes)} mapped${readOnly ? ', read-only' : ''}`),
    field('made', createdAt),
    field('health', `${paint(healthText(volume), ...healthStyles(volume))} (${formatCount(health.stripes)} stripes)`),
    ...health.lostRanges.map(
      ({ offsetBytes, lengthBytes }) => `${paint('✗', 'red')} lost: ${formatBytes(lengthBytes)} from byte ${offsetBytes} on`,
    ),
    ...(snapshots.length === 0 ? [] : [field('snapshots', snapshots.map((one) => `${one.name} (${one.createdAt})`).join(', '))]),
    '',
    ...volumeMap({ map, sizeBytes, paint, columns }),
  ];
}

async function resize({ values, client, words: [name = '', size = ''], invocation: { output } }: Request): Promise<number> {
  const sizeBytes = typed(() => parseSize(size));
  const volume = await client.resizeVolume(values.force ? { name, sizeBytes, force: true } : { name, sizeBytes });
  return told(output, values.json, volume, `${name}: ${formatBytes(volume.sizeBytes)} now.`);
}

async function remove({ values, client, words: [target = ''], invocation: { output } }: Request): Promise<number> {
  const { volume, snapshot: name } = splitSnapshot(target);
  if (name === undefined) {
    await client.removeVolume({ name: volume, withSnapshots: values.withSnapshots });
  } else {
    await client.removeSnapshot({ volume, name });
  }
  return told(output, values.json, { deleted: target }, `${target}: deleted.`);
}

async function snapshot({ values, client, words: [volume = '', name = ''], invocation: { output } }: Request): Promise<number> {
  const made = await client.snapshot({ volume, name });
  return told(output, values.json, made, `${volume}@${name}: as of ${made.createdAt}. NBD serves it, read-only, under this name.`);
}

async function clone({ values, client, words: [source = '', name = ''], invocation: { output } }: Request): Promise<number> {
  const { volume, snapshot: of } = splitSnapshot(source);
  if (of === undefined) {
    throw usageError(
      `a clone is made of a snapshot: write ${volume}@<snapshot>; \`couchestor ec volume snapshot ${volume} <name>\` makes one`,
    );
  }
  const made = await client.clone({ volume, snapshot: of, name });
  return told(output, values.json, made, `${name}: ${formatBytes(made.sizeBytes)}, a writable copy of ${source}.`);
}

function told(output: Output, json: boolean, value: unknown, text: string): number {
  if (json) {
    printJson(output, value);
  } else {
    output.print(text);
  }
  return exitCodes.ok;
}

function healthText({ health: { degraded, lost } }: VolumeInfo): string {
  const parts = [...(degraded > 0 ? [`${formatCount(degraded)} degraded`] : []), ...(lost > 0 ? [`${formatCount(lost)} lost`] : [])];
  return parts.length === 0 ? 'healthy' : parts.join(', ');
}

function healthStyles({ health: { degraded, lost } }: VolumeInfo): ('red' | 'yellow' | 'green')[] {
  return [lost > 0 ? 'red' : degraded > 0 ? 'yellow' : 'green'];
}
