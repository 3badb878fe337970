import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columns, type Row, wrap } from '../../src/report/columns.js';

const HEAD: Row = { cells: ['PID', 'AGE'], path: 'WORKSPACE', notes: ['WHOSE', 'REASON'] };
const shop: Row = { cells: ['4242', '9 h'], path: '~/code/shop', notes: ['you, in pts/3', 'it is not recorded'] };
const site: Row = { cells: ['7', '12 min'], path: '~/s', notes: ['unknown', ''] };

test.each<[number | undefined, string[]]>([
  [
    undefined,
    [
      'PID   AGE     WORKSPACE    WHOSE          REASON',
      '4242  9 h     ~/code/shop  you, in pts/3  it is not recorded',
      '7     12 min  ~/s          unknown',
    ],
  ],
  [
    50,
    [
      'PID   AGE     WORKSPACE    WHOSE',
      '  REASON',
      '4242  9 h     ~/code/shop  you, in pts/3',
      '  it is not recorded',
      '7     12 min  ~/s          unknown',
    ],
  ],
  [
    32,
    [
      'PID   AGE     WORKSPACE',
      '  WHOSE; REASON',
      '4242  9 h     ~/code/shop',
      '  you, in pts/3; it is not',
      '    recorded',
      '7     12 min  ~/s',
      '  unknown',
    ],
  ],
])('in %s columns, what does not fit goes below its row, the last first', (width, lines) => {
  expect(columns([HEAD, shop, site], width).flat()).toEqual(lines);
});

test('a long path gives way before what is said does', () => {
  const [[line = ''] = []] = columns([{ ...shop, path: `~/${'deep/'.repeat(9)}down` }], 62);
  expect(line).toMatch(/^4242 {2}9 h {2}~\/\S*…\S*down {2}you, in pts\/3 {2}it is not recorded$/);
  expect(line.length).toBeLessThanOrEqual(62);
});

test('a number stays with its unit', () => {
  expect(wrap('aged: 12 min old', 10, '')).toEqual(['aged:', '12 min old']);
  expect(wrap('', 10, '')).toEqual([]);
});

test('no line is longer than the terminal, unless one of its words is, and none is lost', () => {
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  const said = fc.array(word, { maxLength: 12 }).map((words) => words.join(' '));
  const row = fc.record({
    cells: fc.tuple(word, word),
    path: fc.stringMatching(/^\/[a-z/]{0,60}$/),
    notes: fc.tuple(said, said),
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), fc.integer({ min: 60, max: 200 }), (rows, width) => {
      const lines = columns(rows, width);
      expect(lines.flat().filter((line) => line.length > width)).toEqual([]);
      const words = (text: string): string[] => text.match(/[a-z]+/g) ?? [];
      for (const [at, { notes }] of rows.entries()) {
        const shown = words(lines[at]?.join(' ') ?? '');
        expect(words(notes.join(' ')).filter((one) => !shown.includes(one))).toEqual([]);
      }
    }),
  );
});
