/** What comes before a vault is opened, for whoever starts an encoder. Light: it loads nothing of the vault itself. */
import { describeError } from '@couchestor/shared/errors';
import { type ProvisionNativeInput, provisionNativeCodec } from './adapters/codec/provision-native.ts';
import { checkFileSystem } from './adapters/index/file-system.ts';

/** Builds what an encoder computes with, where it is not there yet and a compiler is. Never fails: another engine serves without it. */
export async function provisionCodec(o: ProvisionNativeInput): Promise<void> {
  await provisionNativeCodec(o);
}

/** Why the index of a vault cannot be kept in this folder, which exists; undefined where it can. */
export async function folderHindrance(folder: string): Promise<string | undefined> {
  try {
    await checkFileSystem(folder);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}
