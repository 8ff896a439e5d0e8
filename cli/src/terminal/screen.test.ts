import { describe, expect, it } from 'vitest';
import { Screen, type Terminal } from './screen.ts';

function fakeTerminal(): Terminal & { written: string[]; resize(columns: number, rows: number): void } {
  let listener: (() => void) | undefined;
  const terminal = {
    columns: 80,
    rows: 3,
    written: [] as string[],
    write: (text: string) => terminal.written.push(text),
    on: (_event: 'resize', added: () => void) => {
      listener = added;
    },
    off: () => {
      listener = undefined;
    },
    resize: (columns: number, rows: number) => {
      Object.assign(terminal, { columns, rows });
      listener?.();
    },
  };
  return terminal;
}

describe('the screen', () => {
  it('writes only the lines that changed, in one write', () => {
    const terminal = fakeTerminal();
    let lines = ['one', 'two', 'three'];
    const screen = new Screen({ terminal, render: () => lines });
    screen.open();
    terminal.written.length = 0;
    screen.draw();
    expect(terminal.written).toEqual([]);
    lines = ['one', 'TWO', 'three'];
    screen.draw();
    expect(terminal.written).toEqual(['\u001b[?2026h\u001b[2;1HTWO\u001b[K\u001b[?2026l']);
  });

  it('clears what a shorter frame leaves behind', () => {
    const terminal = fakeTerminal();
    let lines = ['one', 'two'];
    const screen = new Screen({ terminal, render: () => lines });
    screen.open();
    terminal.written.length = 0;
    lines = ['one'];
    screen.draw();
    expect(terminal.written.join('')).toContain('\u001b[2;1H\u001b[K');
  });

  it('draws everything again after a resize, cut to the new height', () => {
    const terminal = fakeTerminal();
    const screen = new Screen({ terminal, render: ({ columns }) => [`wide ${columns}`, 'second'] });
    screen.open();
    terminal.written.length = 0;
    terminal.resize(100, 1);
    const text = terminal.written.join('');
    expect(text).toContain('wide 100');
    expect(text).not.toContain('second');
  });

  it('gives the terminal back as it was: main screen, cursor and line wrap', () => {
    const terminal = fakeTerminal();
    const screen = new Screen({ terminal, render: () => [] });
    screen.open();
    screen.close();
    expect(terminal.written.at(-1)).toBe('\u001b[?7h\u001b[?25h\u001b[?1049l');
    terminal.written.length = 0;
    screen.draw();
    screen.close();
    terminal.resize(90, 9);
    expect(terminal.written).toEqual([]);
  });
});
