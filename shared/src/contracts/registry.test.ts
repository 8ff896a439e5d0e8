import { describe, expect, it } from 'vitest';
import { buckets, events, rpcs, streams } from './registry.ts';
import { deadLetterStream, deadLetterSubject, durableName, eventFilter } from './subjects.ts';

describe('the registry', () => {
  it('has no two contracts of one name', () => {
    for (const names of [
      events.map(({ type }) => type),
      rpcs.map(({ name }) => name),
      buckets.map(({ name }) => name),
      streams.map(({ name }) => name),
    ]) {
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('stores each event in its own stream and in no other', () => {
    for (const event of events) {
      expect(
        streams.filter((stream) => stream.subjects.some((pattern) => covers(pattern, eventFilter(event)))).map(({ name }) => name),
      ).toEqual([event.stream]);
    }
  });

  it('stores dead letters of every consumer in the dead-letter stream only', () => {
    for (const event of events) {
      for (const service of event.consumers) {
        const subject = deadLetterSubject(service, event.type);
        expect(streams.filter((stream) => stream.subjects.some((pattern) => covers(pattern, subject))).map(({ name }) => name)).toEqual([
          deadLetterStream,
        ]);
      }
    }
  });

  it('keeps one message for each subject only where messages have subjects of their own', () => {
    for (const event of events) {
      const stream = streams.find(({ name }) => name === event.stream);
      expect(event.subjectTail !== undefined).toBe(stream?.maxMessagesPerSubject === 1);
    }
  });

  it('names every event by a noun and a past participle, with a producer that is no consumer of it', () => {
    for (const event of events) {
      expect(event.type).toMatch(/^[a-z-]+\.([a-z-]+ed|rebuilt|lost)$/);
      expect(event.consumers).not.toContain(event.producer);
    }
  });

  it('gives each service and event a durable consumer of a name that JetStream takes', () => {
    const durables = events.flatMap((event) => event.consumers.map((service) => durableName(service, event)));
    expect(new Set(durables).size).toBe(durables.length);
    for (const durable of durables) {
      expect(durable).toMatch(/^[A-Za-z0-9_-]+$/);
    }
  });

  it('keeps to the limits of JetStream buckets', () => {
    for (const bucket of buckets) {
      expect(bucket.name).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(bucket.history).toBeGreaterThanOrEqual(1);
      expect(bucket.history).toBeLessThanOrEqual(64);
      expect(bucket.maxBytes).toBeGreaterThan(0);
    }
  });
});

/** Whether a stream's subject pattern takes in everything that a filter matches. */
function covers(pattern: string, filter: string): boolean {
  const have = filter.split('.');
  const tokens = pattern.split('.');
  return (
    tokens.every((token, index) => (token === '>' ? have.length > index : token === have[index])) &&
    (tokens.at(-1) === '>' || tokens.length === have.length)
  );
}
