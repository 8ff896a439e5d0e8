/**
 * The story of a move: a line for each step, written with it, and notes of what was called and answered in between, written with the next
 * record. A note that was not yet written when its process died is lost; the line of the step tells what was about to be done.
 */
import { type StoryLine, storyLinesMax } from '@couchestor/shared/contracts/migrator';

/** Notes that one record brings along: the first and the last of them. A gate over many pools has more. */
const notesMax = 40;
const textMax = 1_000;
const answerMax = 500;

export interface Note {
  readonly atMs: number;
  readonly step: StoryLine['step'];
  readonly text: string;
  /** How the call that the note tells of was answered. */
  readonly call?: { readonly answer: string; readonly tookMs: number };
  /** How often the same was noted in a row. */
  readonly times?: number;
}

/** A step that is tried again and again makes one note, not a hundred. */
export function addNote(notes: readonly Note[], note: Note): Note[] {
  const last = notes.at(-1);
  if (last !== undefined && last.text === note.text && last.step === note.step && last.call?.answer === note.call?.answer) {
    return [...notes.slice(0, -1), { ...last, times: (last.times ?? 1) + 1 }];
  }
  return notes.length < notesMax ? [...notes, note] : [...notes.slice(0, notesMax / 2), ...notes.slice(notesMax / 2 + 1), note];
}

/** Puts the notes where they belong: after what was told before them, before the lines that `story` goes on with. */
export function withNotes(story: readonly StoryLine[], before: readonly StoryLine[], notes: readonly Note[]): StoryLine[] {
  const last = before.at(-1);
  const added = last === undefined ? story : story.slice(story.lastIndexOf(last) + 1);
  return tell(before, [...notes.map(lineOf), ...added]);
}

/** Keeps the beginning and the end of a long story, and says where something is left out. */
export function tell(story: readonly StoryLine[], lines: readonly StoryLine[]): StoryLine[] {
  const all = [...story, ...lines];
  if (all.length <= storyLinesMax) {
    return all;
  }
  const head = all.slice(0, storyLinesMax / 2);
  const tail = all.slice(head.length + 1 - storyLinesMax);
  const gap =
    tail[0] === undefined ? [] : [{ at: tail[0].at, step: tail[0].step, text: 'Lines are left out here: the story is too long.' }];
  return [...head, ...gap, ...tail];
}

function lineOf({ atMs, step, text, call, times = 1 }: Note): StoryLine {
  const words = times === 1 ? text : `${text} (${times} times)`;
  const line = { at: new Date(atMs).toISOString(), step, text: words.slice(0, textMax) };
  return call === undefined ? line : { ...line, call: { answer: call.answer.slice(0, answerMax), tookMs: call.tookMs } };
}
