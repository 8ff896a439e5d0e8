import { CodedError } from '@couchestor/shared/errors';
import { expect, it } from 'vitest';
import { DriveError } from '../adapters/drive/errors.ts';
import { CatalogError } from '../domain/catalog-errors.ts';
import { EcError } from '../errors.ts';
import { VaultError } from '../vault/errors.ts';
import { statusOf } from './error-body.ts';

it.each([
  [new CatalogError('NO_VOLUME'), 404],
  [new CatalogError('NO_SNAPSHOT'), 404],
  [new CatalogError('EXISTS'), 409],
  [new CatalogError('HAS_SNAPSHOTS'), 409],
  [new CatalogError('WOULD_SHRINK'), 409],
  [new CatalogError('TOO_MANY'), 409],
  [new CatalogError('BAD_NAME'), 400],
  [new CatalogError('BAD_SIZE'), 400],
  [new VaultError('NO_SUCH_DRIVE'), 404],
  [new VaultError('DRIVE_NEEDED'), 409],
  [new VaultError('DRIVE_THERE'), 409],
  [new VaultError('NO_SPACE'), 507],
  [new VaultError('LOST'), 503],
  [new DriveError('NOT_EMPTY'), 409],
  [new EcError('NOT_FOUND'), 404],
  [new EcError('INVALID'), 400],
  [new CodedError({ code: 'SOME_FAILURE', entry: { retry: false, help: '' }, facts: {} }), 500],
  [new Error('of ours'), 500],
])('%s is answered with %d', (error, status) => {
  expect(statusOf(error)).toBe(status);
});
