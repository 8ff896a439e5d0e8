/** What a drive and its thread say to each other. Views are of shared memory, so that no bytes travel. */
import type { DriveSpace } from './drive.ts';
import type { DriveError } from './errors.ts';

export type DriveCode = keyof typeof DriveError.table;

/** In the slot of a call: who got there first, the thread with the work or the drive with giving it up. */
export const slotWaiting = 0;
export const slotGivenUp = 1;
export const slotBegun = 2;

export interface WriteRequest {
  readonly kind: 'write';
  readonly id: number;
  readonly slot: number;
  readonly isBack: boolean;
  readonly useReserve: boolean;
  readonly header: Uint8Array;
  readonly data: Uint8Array;
}

export interface ReadRequest {
  readonly kind: 'read';
  readonly id: number;
  readonly slot: number;
  readonly isBack: boolean;
  readonly segment: number;
  readonly offsetBytes: number;
  readonly into: Uint8Array;
}

export type OtherRequest =
  /** Answers with the text of the identity. */
  | { readonly kind: 'open'; readonly id: number; readonly path: string; readonly identityToMake: string | undefined }
  /** The identity is right. */
  | {
      readonly kind: 'start';
      readonly id: number;
      readonly driveId: string;
      readonly identity: string;
      readonly segmentBytes: number;
      readonly capacityBytes: number;
      readonly checkIntervalMs: number;
    }
  | { readonly kind: 'segments' | 'probe'; readonly id: number }
  | { readonly kind: 'remove'; readonly id: number; readonly segment: number }
  /** Close the descriptor; the drive uses it no more. */
  | { readonly kind: 'forget'; readonly id: number; readonly segment: number }
  | { readonly kind: 'close'; readonly id: number };

export type DriveRequest = WriteRequest | ReadRequest | OtherRequest;

export type DriveAnswer =
  | { readonly id: number; readonly isOk: true; readonly value?: unknown }
  | { readonly id: number; readonly isOk: false; readonly code: DriveCode; readonly errno?: string; readonly detail?: string };

export interface DriveReport {
  readonly answers: readonly DriveAnswer[];
  /** Descriptors that may be read from until a `forget` of the segment was sent. */
  readonly opened: readonly { readonly segment: number; readonly fd: number }[];
  readonly space?: DriveSpace;
  /** What was seen without being asked. */
  readonly fault?: { readonly code: DriveCode; readonly detail: string };
}
