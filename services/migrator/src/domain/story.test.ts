import { type StoryLine, storyLinesMax } from '@couchestor/shared/contracts/migrator';
import { describe, expect, it } from 'vitest';
import { addNote, type Note, tell, withNotes } from './story.ts';

const atMs = Date.parse('2026-01-01T12:00:00Z');
const line = (text: string): StoryLine => ({ at: '2026-01-01T11:00:00.000Z', step: 'gate-grow', text });
const note = (text: string, answer?: string): Note => ({
  atMs,
  step: 'scale-up',
  text,
  ...(answer === undefined ? {} : { call: { answer, tookMs: 12 } }),
});

describe('the story of a move', () => {
  it('tells what was called and answered before the line of the step that it led to', () => {
    const before = [line('Accepted.')];
    const story = tell(before, [line('Grown.')]);
    expect(withNotes(story, before, [note('set num_replicas to 3', 'done')])).toEqual([
      line('Accepted.'),
      { at: '2026-01-01T12:00:00.000Z', step: 'scale-up', text: 'set num_replicas to 3', call: { answer: 'done', tookMs: 12 } },
      line('Grown.'),
    ]);
  });

  it('is as it was where a record brings neither a step nor a note', () => {
    const before = [line('Accepted.')];
    expect(withNotes(before, before, [])).toEqual(before);
  });

  it('notes once what is tried again and again, with its number', () => {
    const notes = ['a', 'b', 'b', 'b', 'a'].reduce<Note[]>((all, text) => addNote(all, note(text, 'MAYASTOR_CONFLICT 409')), []);
    expect(withNotes([], [], notes).map(({ text }) => text)).toEqual(['a', 'b (3 times)', 'a']);
  });

  it('tells two answers to one call apart', () => {
    const notes = addNote(addNote([], note('cordon', 'MAYASTOR_AMBIGUOUS 503')), note('cordon', 'done'));
    expect(notes).toHaveLength(2);
  });

  it('keeps the first and the last notes of a record that brings too many', () => {
    const notes = Array.from({ length: 300 }, (_, index) => `call ${index}`).reduce<Note[]>((all, text) => addNote(all, note(text)), []);
    expect(notes.length).toBeLessThan(50);
    expect(notes[0]?.text).toBe('call 0');
    expect(notes.at(-1)?.text).toBe('call 299');
  });

  it('never grows beyond what is kept, keeps both ends, and says once where something is left out', () => {
    let story: StoryLine[] = [line('first')];
    for (let index = 0; index < 500; index += 1) {
      const next = tell(story, [line(`step ${index}`)]);
      story = withNotes(next, story, [note(`call ${index}`, 'done'), note(`other call ${index}`, 'done')]);
      expect(story.length).toBeLessThanOrEqual(storyLinesMax);
    }
    expect(story[0]?.text).toBe('first');
    expect(story.slice(-3).map(({ text }) => text)).toEqual(['call 499', 'other call 499', 'step 499']);
    expect(story.filter(({ text }) => text.includes('left out'))).toHaveLength(1);
  });

  it('fits its contract however long an answer is', () => {
    const [told] = withNotes([], [], [note('x'.repeat(9_000), 'y'.repeat(9_000))]);
    expect(told?.text).toHaveLength(1_000);
    expect(told?.call?.answer).toHaveLength(500);
  });
});
