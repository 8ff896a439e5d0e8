/** The live view on a terminal: drawn twice a second, and at once after a resize. */
import type { Paint } from '../terminal/ansi.ts';
import { Screen, type Terminal } from '../terminal/screen.ts';
import { renderFrame } from './frame.ts';
import type { LiveFeed } from './live-feed.ts';

const drawMs = 500;

export function showLive(o: { terminal: Terminal; feed: LiveFeed; paint: Paint }): { close(): void } {
  const screen = new Screen({
    terminal: o.terminal,
    render: (size) => renderFrame(o.feed.state, { size, paint: o.paint, now: Date.now() }),
  });
  screen.open();
  const timer = setInterval(() => screen.draw(), drawMs);
  return {
    close: () => {
      clearInterval(timer);
      screen.close();
    },
  };
}
