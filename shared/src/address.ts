/** `host:port` as two parts. IPv6 hosts stand in brackets. Throws a RangeError that says what to write. */
export function parseAddress(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new RangeError(`"${text}" is not an address: write host:port, for example 0.0.0.0:8080 or [::1]:8080`);
  }
  return { host, port };
}

/** The URL at which something that listens on `host` and `port` is reached from this machine. */
export function loopbackUrl(input: { host: string; port: number }): string {
  const host = input.host === '0.0.0.0' ? '127.0.0.1' : input.host === '::' ? '::1' : input.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${input.port}`;
}
