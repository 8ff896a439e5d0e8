/** docs/events.md: what the services tell, ask and store, from the registry of contracts. */
import { buckets, events, rpcs, streams } from '@couchestor/shared/contracts/registry';
import { durableName, eventFilter, rpcSubject } from '@couchestor/shared/contracts/subjects';
import { formatDuration } from '@couchestor/shared/duration';
import { code, generatedPage, table } from './markdown.ts';
import { fieldNames, fieldsOf } from './schema-fields.ts';

export function eventsPage(): string {
  return generatedPage({
    title: 'Events, questions and stored records',
    from: 'shared/src/contracts/registry.ts',
    intro:
      'Facts between services are events on NATS JetStream, delivered at least once. Questions are NATS requests, answered now or not at all. What must survive a restart is stored in JetStream key-value buckets and changed by compare-and-set. Every subject, schema and version is defined once, in `shared/src/contracts/`; nothing else names a subject. Messages carry ids and numbers, never the bytes of a volume.',
    sections: [flow(), streamsSection(), ...events.map(eventSection), rpcSection(), bucketSection(), versionsSection()],
  });
}

function flow(): string {
  const edges = events.flatMap((event) => event.consumers.map((consumer) => `  ${event.producer} -- ${event.type} --> ${consumer}`));
  const answers = [...new Set(rpcs.map((rpc) => rpc.answeredBy))].map(
    (service) => `  ${service} -. answers ${rpcs.filter((rpc) => rpc.answeredBy === service).length} questions .- ask((cli and services))`,
  );
  return `## The flow\n\n${['```mermaid', 'flowchart LR', ...edges, ...answers, '```'].join('\n')}`;
}

function streamsSection(): string {
  const rows = streams.map((stream) => [
    code(stream.name),
    stream.subjects.map(code).join(', '),
    formatDuration(stream.maxAgeMs),
    mebibytes(stream.maxBytes),
    stream.maxMessagesPerSubject === undefined ? 'all' : `newest ${stream.maxMessagesPerSubject} of each subject`,
    stream.description,
  ]);
  return `## Streams\n\n${table(['Stream', 'Subjects', 'Kept for', 'At most', 'Messages', 'Holds'], rows)}`;
}

function eventSection(event: (typeof events)[number]): string {
  const rows = fieldsOf(event.payload).map((field) => [code(field.name), field.type, field.isRequired ? 'yes' : 'no']);
  const consumers = event.consumers.map((service) => `${service} (durable ${code(durableName(service, event))})`).join(', ');
  return [
    `## ${event.type}`,
    event.description,
    table(
      ['Version', 'Stream', 'Subject', 'Stated by', 'Consumed by'],
      [[String(event.version), code(event.stream), code(eventFilter(event)), event.producer, consumers || 'whoever watches']],
    ),
    table(['Field', 'Type', 'Required'], rows),
  ].join('\n\n');
}

function rpcSection(): string {
  const rows = rpcs.map((rpc) => [
    code(rpcSubject(rpc)),
    rpc.answeredBy,
    fieldNames(rpc.request),
    fieldNames(rpc.response),
    rpc.description,
  ]);
  return `## Questions\n\n${table(['Subject', 'Answered by', 'Asked with', 'Answered with', 'Meaning'], rows)}`;
}

function bucketSection(): string {
  const rows = buckets.map((bucket) => [
    code(bucket.name),
    String(bucket.version),
    bucket.owner,
    String(bucket.history),
    bucket.ttlMs === undefined ? 'until deleted' : formatDuration(bucket.ttlMs),
    mebibytes(bucket.maxBytes),
    bucket.description,
  ]);
  return [
    '## Buckets',
    'A full bucket refuses new records rather than dropping old ones. `nats kv` reads them.',
    table(['Bucket', 'Version', 'Written by', 'Revisions kept', 'Kept for', 'At most', 'Holds'], rows),
  ].join('\n\n');
}

function versionsSection(): string {
  return [
    '## Versions',
    'Every message and record carries the version of its schema. A consumer lifts an older version to its own (`upcast`); a newer one is not guessed at but put into the dead-letter stream, from where it can be replayed once the consumer has been updated. The hash of every schema is locked by a test: a change of a schema means a new version.',
  ].join('\n\n');
}

function mebibytes(bytes: number): string {
  return `${bytes / 1024 / 1024} MiB`;
}
