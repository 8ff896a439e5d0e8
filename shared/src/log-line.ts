/** A log line for people: time, level, name, message, then key=value pairs. Always exactly one line. */

const firstFields = new Set(['time', 'level', 'name', 'message', 'err']);

/** Takes a line of JSON from pino. Text that is no JSON is returned as it is. */
export function formatLogLine(json: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const { time, level, name, message, err } = fields;
  const pairs = Object.entries(fields)
    .filter(([key]) => !firstFields.has(key))
    .map(([key, value]) => `${key}=${showValue(value)}`);
  const words = [
    time,
    String(level).toUpperCase().padEnd(5),
    name,
    oneLine(String(message ?? '')),
    ...pairs,
    ...(err === undefined ? [] : [showError(err)]),
  ];
  return `${words.filter((word) => word !== '').join(' ')}\n`;
}

function showValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text === '' || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

function showError(err: unknown): string {
  if (typeof err !== 'object' || err === null) {
    return `error=${showValue(err)}`;
  }
  const { code, message, stack } = err as { code?: string; message?: string; stack?: string };
  const place = /\n\s+at (.+)/.exec(stack ?? '')?.[1];
  return [
    ...(code === undefined ? [] : [`code=${code}`]),
    `error=${showValue(message ?? '')}`,
    ...(place === undefined ? [] : [`at=${showValue(place)}`]),
  ].join(' ');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
