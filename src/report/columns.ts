import { shorten } from './text.js';

/** What is said about one thing: words in columns, then a path, then what may need lines of its own. */
export interface Row {
  readonly cells: readonly string[];
  readonly path: string;
  readonly notes: readonly string[];
}

export const GAP = '  ';
const LONGEST_PATH = 40;
/** Less of a path's end than this says nothing. With more, pids of five digits would leave an owner no room beside it. */
const SHORTEST_PATH = 8;

/**
 * The lines of each row. What does not fit into the width goes below its row, the last note first: a reason is a
 * sentence, and whose something is only a few words. A width that is undefined has room for everything.
 */
export function columns(rows: readonly Row[], width: number | undefined): string[][] {
  const most = Math.max(0, ...rows.map(({ notes }) => notes.length));
  const widthOf = (all: readonly string[]): number => Math.max(0, ...all.map((text) => text.length));
  const widths = (rows[0]?.cells ?? []).map((_, at) => widthOf(rows.map(({ cells }) => cells[at] ?? '')));
  const noteWidths = Array.from({ length: most }, (_, at) => widthOf(rows.map(({ notes }) => notes[at] ?? '')));
  const longest = Math.min(LONGEST_PATH, widthOf(rows.map(({ path }) => path)));
  const room = (notes: number): number =>
    [...widths, ...noteWidths.slice(0, notes)].reduce((left, one) => left - one - GAP.length, width ?? Infinity);
  const inline = Array.from({ length: most + 1 }, (_, at) => most - at).find(
    (notes) => room(notes) >= Math.min(longest, SHORTEST_PATH),
  );
  const pathWidth = Math.min(longest, Math.max(SHORTEST_PATH, room(inline ?? 0)));
  return rows.map(({ cells, path, notes }) => {
    const beside = [
      ...cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)),
      shorten(path, pathWidth).padEnd(pathWidth),
    ];
    const within = notes.slice(0, inline ?? 0).map((note, at) => note.padEnd(noteWidths[at] ?? 0));
    const below = notes.slice(inline ?? 0).filter((note) => note !== '');
    return [[...beside, ...within].join(GAP).trimEnd(), ...wrap(below.join('; '), width, GAP)];
  });
}

/** A number stays with its unit. */
const BETWEEN_WORDS = / (?!(?:ms|s|min|h|d|MB|GB)\b)/;

/** Breaks between words; a word that is longer than a line stays whole. */
export function wrap(text: string, width: number | undefined, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text === '' ? [] : text.split(BETWEEN_WORDS)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= (width ?? Infinity))
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`${lines.length === 0 ? indent : indent.repeat(2)}${word}`);
  }
  return lines;
}
