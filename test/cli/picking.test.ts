import { describe, expect, test } from 'vitest';
import { furthestIn, pickPage } from '../../src/cli/pick-page.js';
import {
  type Choice,
  choicesOf,
  NOTHING_YET,
  type Picking,
  type Pressed,
  press,
  seenAnew,
} from '../../src/cli/picking.js';
import type { Judged } from '../../src/decide/plan.js';
import { paintFor } from '../../src/report/text.js';

const choice = (id: string, startToken = '1'): Choice => {
  const server = { pid: 4242, startToken };
  const seen = { located: { kind: 'present', server }, owner: { kind: 'unknown' } };
  const judged = { record: { id, port: 4096 }, verdict: { kind: 'spared' }, seen } as unknown as Judged;
  const gone = { ...judged, seen: { ...seen, located: { kind: 'gone' } } } as unknown as Judged;
  const [found, ...others] = choicesOf([gone, judged]);
  if (found === undefined || others.length > 0) throw new Error('only what runs can be chosen');
  return found;
};

const seen = (...ids: string[]): Picking =>
  seenAnew(
    NOTHING_YET,
    ids.map((id) => choice(id)),
  );

/** What becomes of a list when these are pressed, one after the other. */
const typed = (picking: Picking, ...keys: string[]): Pressed =>
  keys.reduce<Pressed>((now, key) => {
    if (typeof now === 'string') throw new Error(`${key} after ${now}`);
    return press(now, key.length === 1 ? { text: key, name: key } : { text: undefined, name: key }, 3);
  }, picking);

test('a path that is longer than the screen is wide goes on below, with not one letter lost', () => {
  const [one] = seen('one').servers ?? [];
  if (one === undefined) throw new Error('there is one');
  const file = `/${'a-long-name/'.repeat(9)}one.json`;
  const { record } = one.server;
  const server = { ...one.server, record: { ...record, source: { file }, alsoIn: [] }, verdict: SPARED } as never;
  for (let width = 57; width < 64; width += 1) {
    const page = { paint: paintFor(false, false, {}), width, home: '/home/me', verbose: false };
    const shown = { ...NOTHING_YET, servers: [{ ...one, server }], at: one.key, why: 0 };
    const lines = pickPage(shown, page, 50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    expect(lines.map((line) => line.trim()).join('')).toContain(file);
    expect(furthestIn(shown, page, lines.length - 1)).toBe(1);
  }
});

const SPARED = { kind: 'spared', reasons: [], guards: [] };

describe('a list to choose from', () => {
  test.each<[string, string[], Pressed | Partial<Picking>]>([
    ['enter before anything is chosen stops nothing', ['return'], { said: 'nothing is chosen yet' }],
    ['enter stops what is chosen', [' ', 'return'], 'stop'],
    ['what is chosen twice is not chosen', [' ', ' ', 'return'], { said: 'nothing is chosen yet' }],
    ['enter while a filter is typed only ends the typing', [' ', '/', 'return'], { isTyping: false }],
    ['enter while guards are shown only goes back', [' ', 'w', 'return'], { why: undefined }],
    ['q leaves', [' ', 'q'], 'leave'],
    ['escape leaves', ['escape'], 'leave'],
    ['q in a filter is a letter', ['/', 'q'], { filter: 'q', isTyping: true }],
    ['q while guards are shown goes back', ['w', 'q'], { why: undefined }],
    ['escape clears a filter first', ['/', 'x', 'return', 'escape'], { filter: '' }],
    ['and then leaves', ['/', 'x', 'return', 'escape', 'escape'], 'leave'],
    ['a digit begins a filter, and what follows belongs to it', ['4', 'w'], { filter: '4w', why: undefined }],
    ['other letters do nothing', ['x', 'y'], { filter: '', isTyping: false, said: '' }],
    ['a filter that is empty ends with backspace', ['4', 'backspace', 'backspace'], { filter: '', isTyping: false }],
    ['guards are scrolled no further than they go', ['w', ...Array(9).fill('down'), 'up'], { why: 2 }],
    ['nothing that controls a terminal is typed', ['/', '\u0001', '\u202e', 'a'], { filter: 'a' }],
  ])('%s', (_, keys, becomes) => {
    if (typeof becomes === 'string') expect(typed(seen('a', 'b'), ...keys)).toBe(becomes);
    else expect(typed(seen('a', 'b'), ...keys)).toMatchObject(becomes);
  });

  test('stays in order when it is looked at again, with what is new below', () => {
    const later = seenAnew(
      seen('b', 'a'),
      ['c', 'a', 'b'].map((id) => choice(id)),
    );
    expect(later.servers?.map(({ server }) => server.record.id)).toEqual(['b', 'a', 'c']);
  });

  test('forgets a choice whose record leads to another process, and the guards that were being read', () => {
    const chosen = typed(seen('a', 'b'), ' ', 'w') as Picking;
    expect([chosen.chosen.size, chosen.why]).toEqual([1, 0]);
    expect(seenAnew(chosen, [choice('a'), choice('b')])).toMatchObject({ why: 0, said: '' });
    const later = seenAnew(chosen, [choice('a', '2'), choice('b')]);
    expect([later.chosen.size, later.why, later.said]).toEqual([0, undefined, '1 of those chosen has ended']);
  });

  test('that is empty takes every key', () => {
    for (const picking of [NOTHING_YET, seenAnew(NOTHING_YET, [])])
      expect(typed(picking, ' ', 'w', 'up', 'down', 'return', '/', 'x', 'down', 'escape', 'escape')).toBe('leave');
  });
});
