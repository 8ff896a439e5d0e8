/** `couchestor-drive.json`: which drive a folder is. */
import { z } from 'zod';
import { DriveError } from './errors.ts';

const format = 1;

const identitySchema = z.object({
  format: z.literal(format),
  vaultId: z.string().min(1),
  driveId: z.uuid(),
  number: z.int().positive(),
  createdAt: z.iso.datetime(),
});
const anyFormatSchema = z.object({ format: z.int() });

export type DriveIdentity = z.output<typeof identitySchema>;

export function newIdentity(o: { vaultId: string; driveId: string; number: number; now: Date }): string {
  const identity: DriveIdentity = { format, vaultId: o.vaultId, driveId: o.driveId, number: o.number, createdAt: o.now.toISOString() };
  return `${JSON.stringify(identity, undefined, 2)}\n`;
}

/** Throws DriveError BAD_IDENTITY, NEWER_FORMAT, OTHER_VAULT or WRONG_DRIVE. */
export function checkIdentity(
  text: string,
  wanted: { path: string; vaultId: string; number: number; driveId: string | undefined },
): DriveIdentity {
  const { path } = wanted;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DriveError('BAD_IDENTITY', { path }, { cause });
  }
  const any = anyFormatSchema.safeParse(json);
  if (any.success && any.data.format > format) {
    throw new DriveError('NEWER_FORMAT', { path, found: any.data.format, known: format });
  }
  const parsed = identitySchema.safeParse(json);
  if (!parsed.success) {
    throw new DriveError('BAD_IDENTITY', { path }, { cause: parsed.error });
  }
  const { vaultId, driveId, number } = parsed.data;
  if (vaultId !== wanted.vaultId) {
    throw new DriveError('OTHER_VAULT', { path, vault: vaultId, wanted: wanted.vaultId });
  }
  if (number !== wanted.number || (wanted.driveId !== undefined && driveId !== wanted.driveId)) {
    throw new DriveError('WRONG_DRIVE', { path, number, driveId, wantedNumber: wanted.number, wantedDriveId: wanted.driveId });
  }
  return parsed.data;
}
