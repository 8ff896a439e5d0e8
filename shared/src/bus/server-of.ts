/** What the NATS client needs of a URL: it takes no user and password from there, and would read a port out of a password. */
import type { ConnectionOptions } from 'nats';

export function serverOf(url: string): Pick<ConnectionOptions, 'servers' | 'user' | 'pass'> {
  const parsed = new URL(url);
  const { username, password } = parsed;
  parsed.username = '';
  parsed.password = '';
  return {
    servers: parsed.href,
    ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
  };
}
