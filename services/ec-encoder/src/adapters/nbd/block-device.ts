/** What an NBD export reads from and writes to. */

/**
 * Thin, and safe to use over several connections at once: what one has been told is written, all others read.
 * Errors carry the `code` of a VaultError (see domain/nbd-errors.ts); one that has `offsetBytes` among its facts says where it went wrong.
 */
export interface BlockDevice {
  /** May grow while the device is open. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills `into`. Returns undefined where that is done at once (no promise, which is what makes it fast), else a promise. Any offset and length. */
  read(offsetBytes: number, into: Uint8Array): Promise<void> | undefined;
  /** Durable when it resolves, so that FUA and FLUSH cost nothing more. `data` is left alone until settled. */
  write(offsetBytes: number, data: readonly Uint8Array[]): Promise<void>;
  flush(): Promise<void>;
  /** For TRIM and WRITE_ZEROES. Never slower than writing the zeros. Durable when it resolves. */
  zero(offsetBytes: number, lengthBytes: number): Promise<void>;
  /** In order, from the offset on; may stop early, but not before it has said something. */
  status(offsetBytes: number, lengthBytes: number): Promise<readonly BlockStatus[]>;
  /** Whether the whole range is known at once to be a hole. Large reads ask it, so as to send a hole instead of zeros. */
  isHole?(offsetBytes: number, lengthBytes: number): boolean;
}

export interface BlockStatus {
  readonly lengthBytes: number;
  readonly isHole: boolean;
}

export interface NbdExport {
  readonly name: string;
  readonly description: string;
}

export interface OpenExport {
  readonly device: BlockDevice;
  /** Called once, after the last request of the connection has been settled. */
  close(): void;
}

export interface NbdExports {
  list(): readonly NbdExport[];
  /** Undefined where there is no such export. */
  open(name: string): Promise<OpenExport | undefined>;
}
