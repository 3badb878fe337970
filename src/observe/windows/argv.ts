/**
 * The words of a command line as `CommandLineToArgvW` gives them. The first one, the program, knows no backslash rule;
 * after it, 2n backslashes before a quote are n and the quote begins or ends a part, 2n + 1 are n and a quote.
 */
export function argvOf(line: string): string[] {
  const program = /^(?:"([^"]*)"?|([^\s]*))/.exec(line.trimStart());
  if (program === null) return [];
  const first = program[1] ?? program[2] ?? '';
  return [first, ...wordsOf(line.trimStart().slice(program[0].length))];
}

/** A part of a word: backslashes with the quotes that follow them, white space, or anything else. */
const PART = /(\\*)("+)|([ \t]+)|(\\+|[^\\" \t]+)/g;

function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const [, slashes = '', quotes, blank, plain] of text.matchAll(PART)) {
    if (blank !== undefined && !isQuoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    word += quotes === undefined ? (blank ?? plain ?? '') : slashes.slice(0, slashes.length >> 1);
    let left = quotes?.length ?? 0;
    if (slashes.length % 2 === 1) {
      word += '"';
      left -= 1;
    }
    for (; left > 0; left -= 1) {
      // Two quotes inside of a quoted part are one quote, and the part goes on.
      if (isQuoted && left > 1) {
        word += '"';
        left -= 1;
      } else isQuoted = !isQuoted;
    }
  }
  return word === undefined ? words : [...words, word];
}
