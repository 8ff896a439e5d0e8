/** What the exporter counts for one volume, replica or pool. */
export interface IoCounters {
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  readUs: number;
  writeUs: number;
}

export function noIo(): IoCounters {
  return { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, readUs: 0, writeUs: 0 };
}

export function countRead(counters: IoCounters, io: { bytes: number; us: number }): void {
  counters.reads += 1;
  counters.bytesRead += io.bytes;
  counters.readUs += io.us;
}

export function countWrite(counters: IoCounters, io: { bytes: number; us: number }): void {
  counters.writes += 1;
  counters.bytesWritten += io.bytes;
  counters.writeUs += io.us;
}
