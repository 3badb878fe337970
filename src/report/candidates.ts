/** What can be said to the program, or to one of its commands. */
export interface Grammar {
  /** Empty for the program itself. */
  readonly name: string;
  readonly description: string;
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly description: string;
    readonly value: Value | undefined;
  }[];
  readonly values: readonly (Value & { readonly repeats: boolean })[];
}

/** What may stand in one place: `means` is what help calls it, such as `dir` or `server`. */
export interface Value {
  readonly means: string;
  readonly choices: readonly string[];
}

export interface Candidate {
  readonly word: string;
  /** One line, for those who choose. */
  readonly what: string;
}

/** What can come next: words that the grammar has, or what only a look can tell. */
export type Next =
  | { readonly kind: 'words'; readonly words: readonly Candidate[] }
  | { readonly kind: 'folders' | 'ports' }
  /** What is done to the server is the command's name. */
  | { readonly kind: 'servers'; readonly to: string };

/** What can stand where `begun` has been typed, after `words`. Not all of it begins that way. */
export function next(words: readonly string[], begun: string, program: Grammar, commands: readonly Grammar[]): Next {
  let grammar = program;
  let awaited: Value | undefined;
  let taken = 0;
  for (const word of words) {
    if (awaited) awaited = undefined;
    // What follows is for another program.
    else if (word === '--') return NOTHING;
    else if (word.startsWith('-')) awaited = optionOf(word, grammar, program)?.value;
    else {
      const command = grammar === program ? commands.find(({ name }) => name === word) : undefined;
      if (command) grammar = command;
      else taken += 1;
    }
  }
  const [flag = '', value] = begun.split('=', 2);
  if (!awaited && begun.startsWith('-') && value !== undefined) awaited = optionOf(flag, grammar, program)?.value;
  if (awaited) return ofValue(awaited, grammar.name);
  const options = grammar.options.flatMap(({ flags, description }) =>
    flags.map((word) => ({ word, what: description })),
  );
  if (begun.startsWith('-')) return { kind: 'words', words: options };
  if (grammar === program)
    return { kind: 'words', words: commands.map(({ name, description }) => ({ word: name, what: description })) };
  const last = grammar.values.at(-1);
  const place = grammar.values[taken] ?? (last?.repeats ? last : undefined);
  // Nothing else can come.
  return place
    ? ofValue(place, grammar.name)
    : { kind: 'words', words: options.filter(({ word }) => word.startsWith('--')) };
}

const NOTHING: Next = { kind: 'words', words: [] };

const optionOf = (word: string, grammar: Grammar, program: Grammar) =>
  [...grammar.options, ...program.options].find(({ flags }) => flags.includes(word));

function ofValue({ means, choices }: Value, command: string): Next {
  if (choices.length > 0) return { kind: 'words', words: choices.map((word) => ({ word, what: '' })) };
  if (means === 'dir') return { kind: 'folders' };
  if (means === 'port') return { kind: 'ports' };
  return /^servers?$/.test(means) ? { kind: 'servers', to: command } : NOTHING;
}
