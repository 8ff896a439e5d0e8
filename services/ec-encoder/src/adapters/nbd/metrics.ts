/** What a server tells of itself. Called for every request: an implementation counts, and renders when asked. */
import type { NbdCommand, NbdErrorName } from '../../domain/nbd-protocol.ts';

export type NbdResult = 'ok' | NbdErrorName;

export interface NbdMetrics {
  /** `bytes`: of the range that the request names; `ms`: from its arrival in whole to its reply. */
  request(command: NbdCommand | 'unknown', result: NbdResult, bytes: number, ms: number): void;
  connected(): void;
  disconnected(): void;
  /** Above the number of connections that are allowed. */
  refused(): void;
}
