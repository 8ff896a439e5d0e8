/** What a vault's API is asked, and how it answers in lists. The paths stand in services/ec-encoder/src/handlers/api.ts and in vault-client.ts. */
import { z } from 'zod';
import {
  blobInfoSchema,
  blobStates,
  driveDomainSchema,
  driveStatusSchema,
  operationSchema,
  volumeInfoSchema,
  volumeNameSchema,
  volumeSizeBytesSchema,
} from './vault.ts';

/** Names of files are at most this long on Linux. */
const pathSchema = z.string().min(1).max(4_096).startsWith('/', 'write the whole path, from /');

export const createVolumeRequest = z.strictObject({ name: volumeNameSchema, sizeBytes: volumeSizeBytesSchema });
export const resizeVolumeRequest = z.strictObject({ sizeBytes: volumeSizeBytesSchema, force: z.boolean().optional() });
/** Of a snapshot that is made, or of the volume that a clone becomes. */
export const nameRequest = z.strictObject({ name: volumeNameSchema });
export const driveRequest = z.strictObject({ path: pathSchema, domain: driveDomainSchema.partial().optional() });
/** By its number or its path. */
export const failDriveRequest = z.strictObject({ drive: z.union([z.int().positive(), pathSchema]) });
export const backupRequest = z.strictObject({ to: pathSchema });

export const blobsPageMax = 1_000;
export const listBlobsQuery = z.strictObject({
  after: blobInfoSchema.shape.blobId.optional(),
  limit: z.coerce.number().int().min(1).max(blobsPageMax).default(blobsPageMax),
  state: z.enum(blobStates).optional(),
});
export type ListBlobsQuery = z.input<typeof listBlobsQuery>;

export const volumesAnswer = z.strictObject({ volumes: z.array(volumeInfoSchema) });
export const drivesAnswer = z.strictObject({ drives: z.array(driveStatusSchema) });
export const operationsAnswer = z.strictObject({ operations: z.array(operationSchema) });
export const blobsAnswer = z.strictObject({ blobs: z.array(blobInfoSchema) });
