import { expect, test } from 'vitest';
import { redactUrls } from './redact-url.ts';

test('user names and passwords in URLs are hidden', () => {
  expect(redactUrls('cannot reach redis://user:p%40ss@redis:6379/0 now')).toBe('cannot reach redis://***@redis:6379/0 now');
});

test('query strings of URLs are hidden', () => {
  expect(redactUrls('GET http://s3/bucket/key?X-Amz-Signature=abc failed')).toBe('GET http://s3/bucket/key?*** failed');
});

test('URLs without secrets and mail addresses stay as they are', () => {
  const text = 'http://prometheus:9090/api someone@example.org?';
  expect(redactUrls(text)).toBe(text);
});
