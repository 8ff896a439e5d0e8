/** Where a command writes. Results go to `print`; everything else goes to `note` (stderr), so that a pipe receives results alone. */
import { type Paint, painter, wantsColours } from './ansi.ts';

export interface Output {
  readonly paint: Paint;
  /** Width to cut tables to; undefined for a pipe, where nothing is cut. */
  readonly columns: number | undefined;
  print(line: string): void;
  note(line: string): void;
  /** Stands in the last line of a terminal until the next one takes its place; an empty one takes it away. Absent where there is no terminal. */
  readonly redraw?: (line: string) => void;
}

export function processOutput(o: { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream; env: NodeJS.ProcessEnv }): Output {
  return {
    paint: painter(wantsColours({ isTty: o.stdout.isTTY === true, env: o.env })),
    columns: o.stdout.isTTY ? o.stdout.columns : undefined,
    print: (line) => o.stdout.write(`${line}\n`),
    note: (line) => o.stderr.write(`${line}\n`),
    ...(o.stderr.isTTY ? { redraw: (line: string) => void o.stderr.write(`\r\u001b[2K${line}`) } : {}),
  };
}

/** A reader that goes away (`couchestor volumes | head -1`) is no error of ours: nothing is left to say, so end quietly. */
export function quietOnBrokenPipe(streams: readonly NodeJS.WriteStream[], exit: (code: number) => void): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') {
        throw error;
      }
      exit(0);
    });
  }
}
