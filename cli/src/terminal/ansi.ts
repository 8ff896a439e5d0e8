/** The few escape sequences that the command uses. */

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan';

const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };

/** Styles text, or leaves it alone where colours are off. */
export type Paint = (text: string, ...styles: Style[]) => string;

export function painter(colours: boolean): Paint {
  return (text, ...styles) =>
    colours && styles.length > 0 && text !== '' ? `\u001b[${styles.map((style) => codes[style]).join(';')}m${text}\u001b[0m` : text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with the escape character.
const styleSequence = /\u001b\[[0-9;]*m/g;

export function stripStyles(text: string): string {
  return text.replaceAll(styleSequence, '');
}

/** True where colours may be used: a terminal that can, and a person who has not asked for none (https://no-color.org). */
export function wantsColours(o: { isTty: boolean; env: NodeJS.ProcessEnv }): boolean {
  return o.isTty && (o.env['NO_COLOR'] ?? '') === '' && o.env['TERM'] !== 'dumb';
}
