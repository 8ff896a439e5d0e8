import { describe } from 'vitest';
import { checksumConformance } from './crc32c.conformance.ts';
import { referenceChecksums } from './crc32c.ts';

describe('checksums in plain TypeScript', () => {
  checksumConformance(() => referenceChecksums);
});
