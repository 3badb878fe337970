/*
 * A hook's command as one line for a POSIX shell. Clients before 2.1.139 and other programs that read these settings
 * know nothing else: they ignore `args`, and some write the file back without it. The line has no variables and no
 * grouping, so that every shell reads it the same way. On top of running node itself it costs a shell's start and a
 * fork, some 2 % of the whole; `exec` would save the fork, but could then neither hide a failure nor try another node.
 */

export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  // Before a command this would set a variable; it does not if the name is quoted as well.
  const [, set = '', value = word] = /^([A-Za-z_]\w*=)(.*)$/s.exec(word) ?? [];
  return `${set}'${value.replaceAll("'", "'\\''")}'`;
}

/** What the standard output of a line's program is called in it: what a node in between prints there is discarded. */
export const TO_CALLER = 3;

/**
 * Runs the first of these that works, silently; always exits with 0. If it is `heard`, what it writes to descriptor
 * `TO_CALLER` reaches who runs the line.
 */
export const lineOf = (commands: readonly (readonly string[])[], heard = false): string => {
  const output = heard ? `${TO_CALLER}>&1 >/dev/null 2>&1` : '>/dev/null 2>&1';
  return [...commands.map((words) => `${words.map(quote).join(' ')} ${output}`), 'true'].join(' || ');
};

const TOKEN = /[ \t]*(\d*(?:>>|>&|<&|>|<)|\|\||&&|[|&;()\n]|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|&;<>()])+)/sy;
const REDIRECTION = /^\d*[<>]/;
const LITERAL = /'[^']*'|\\./gs;
/** Characters that a shell expands. */
const EXPANDED = /[$`*?[\]{}~#!]/;
const OPERATOR = /^(\|\||&&|[|&;()\n])$/;

/** The words of each command in a line of alternatives; undefined for a line that is, or may be, anything more. */
export function alternativesOf(line: string): string[][] | undefined {
  const tokens = tokensOf(line.trim());
  if (tokens === undefined) return undefined;
  const commands: string[][] = [[]];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] ?? '';
    if (REDIRECTION.test(token)) {
      at += 1;
      if (!/^(\/dev\/null|\d)$/.test(tokens[at] ?? '')) return undefined;
    } else if (token === '||') commands.push([]);
    else if (OPERATOR.test(token) || EXPANDED.test(token.replace(LITERAL, ''))) return undefined;
    else commands.at(-1)?.push(unquote(token));
  }
  return commands;
}

/** Every word of a line, no matter how it is used. */
export const wordsOf = (line: string): string[] =>
  (tokensOf(line) ?? []).filter((token) => !OPERATOR.test(token) && !REDIRECTION.test(token)).map(unquote);

function tokensOf(line: string): string[] | undefined {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < line.length; at = TOKEN.lastIndex) {
    const token = TOKEN.exec(line)?.[1];
    if (token === undefined) return line.slice(at).trim() === '' ? tokens : undefined;
    tokens.push(token);
  }
  return tokens;
}

const unquote = (word: string): string =>
  word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs, (_, single, double, escaped) =>
    double === undefined ? (single ?? escaped) : double.replace(/\\([$`"\\])/g, '$1'),
  );
