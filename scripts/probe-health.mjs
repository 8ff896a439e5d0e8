/** The image's health check: whether the service in this container is ready. Its port is told by HEALTH_ADDR; a flag is not seen here. */
const port = /:(\d+)$/.exec(process.env['HEALTH_ADDR'] ?? '')?.[1] ?? '8081';

process.exitCode = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(4_000) }).then(
  (answer) => (answer.ok ? 0 : 1),
  () => 1,
);
