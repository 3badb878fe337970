/**
 * The words of a command line as `CommandLineToArgvW` gives them, which is what Bun, and so OpenCode, goes by. The first
 * one, the program, knows no backslash rule; after it, 2n backslashes before a quote are n and the quote begins or ends a
 * part, 2n + 1 are n and a quote.
 */
export function argvOf(line: string): string[] {
  const [program = '', quoted, plain = ''] = /^(?:"([^"]*)"?|([^ \t]*))/.exec(line) ?? [];
  return [quoted ?? plain, ...wordsOf(line.slice(program.length))];
}

/** A part of a word: backslashes with the quotes that follow them, white space, or anything else. */
const PART = /(\\*)("+)|([ \t]+)|(\\+|[^\\" \t]+)/g;

function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const [, slashes = '', quotes = '', blank, plain] of text.matchAll(PART)) {
    if (blank !== undefined && !isQuoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    word += blank ?? plain ?? slashes.slice(0, slashes.length >> 1);
    const isEscaped = slashes.length % 2 === 1;
    if (isEscaped) word += '"';
    // Three in a row, with the one that began the part, are a quote, and end it.
    const count: number = (isQuoted ? 1 : 0) + quotes.length - (isEscaped ? 1 : 0);
    word += '"'.repeat(Math.floor(count / 3));
    isQuoted = count % 3 === 1;
  }
  return word === undefined ? words : [...words, word];
}
