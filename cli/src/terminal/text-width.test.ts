import { describe, expect, it } from 'vitest';
import { oneLine, pad, textWidth, truncate, wrap } from './text-width.ts';

describe('text width', () => {
  it('cuts with an ellipsis within the width given', () => {
    expect(truncate('abcdef', 6)).toBe('abcdef');
    expect(truncate('abcdef', 4)).toBe('abc…');
    expect(truncate('数据库', 4)).toBe('数…');
    expect(truncate('abc', 0)).toBe('');
  });

  it('pads on either side and never cuts', () => {
    expect(pad('ab', 4)).toBe('ab  ');
    expect(pad('ab', 4, 'right')).toBe('  ab');
    expect(pad('abcdef', 4)).toBe('abcdef');
  });

  it('measures a styled text by what is seen', () => {
    expect(textWidth('\u001b[31mred\u001b[0m')).toBe(3);
  });

  it('removes control characters and styles from text of others', () => {
    expect(oneLine(' a\tb\r\n\u001b[31mc\u001b[0m\u0007 ')).toBe('a b c');
  });

  it('breaks at spaces, and cuts a word that is too long for any line', () => {
    expect(wrap('the quick brown fox', 10)).toEqual(['the quick', 'brown fox']);
    expect(wrap('a incomprehensibilities', 8)).toEqual(['a', 'incompr…']);
    expect(wrap('', 8)).toEqual([]);
  });
});
