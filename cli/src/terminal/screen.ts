/**
 * Redraws a whole screen in place: the alternate screen, so that what was there before comes back; only lines that changed are written,
 * in one write between the marks of a synchronised update, so that nothing flickers.
 */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';

export class Screen {
  readonly #terminal: Terminal;
  readonly #render: (size: { columns: number; rows: number }) => readonly string[];
  readonly #onResize = (): void => {
    this.#shown = [];
    this.#terminal.write('\u001b[2J');
    this.draw();
  };
  #shown: string[] = [];
  #open = false;

  constructor(o: { terminal: Terminal; render: (size: { columns: number; rows: number }) => readonly string[] }) {
    this.#terminal = o.terminal;
    this.#render = o.render;
  }

  open(): void {
    this.#open = true;
    this.#terminal.write(enter);
    this.#terminal.on('resize', this.#onResize);
    this.draw();
  }

  draw(): void {
    if (!this.#open) {
      return;
    }
    const { columns, rows } = this.#terminal;
    const lines = this.#render({ columns, rows }).slice(0, rows);
    const changes: string[] = [];
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row += 1) {
      const line = lines[row] ?? '';
      if (line !== this.#shown[row]) {
        changes.push(`\u001b[${row + 1};1H${line}\u001b[K`);
      }
    }
    this.#shown = [...lines];
    if (changes.length > 0) {
      this.#terminal.write(`\u001b[?2026h${changes.join('')}\u001b[?2026l`);
    }
  }

  close(): void {
    if (!this.#open) {
      return;
    }
    this.#open = false;
    this.#terminal.off('resize', this.#onResize);
    this.#terminal.write(leave);
  }
}
