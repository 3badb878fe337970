/** What the parser says about wrong usage. */
export interface Misuse {
  readonly code: string;
  readonly message: string;
}

/** The parser says `error: option '…' argument 'x' is invalid. why`; this makes it one sentence. */
export function sentence({ message }: Misuse): string {
  const [line = ''] = message.replace(/^error: /, '').split('\n');
  return line.replace(/\.$/, '').replace(' is invalid. ', ' is invalid: ').replace('. Expected', ': expected');
}

/** What was probably meant; else where the command in question explains itself. */
export function hintFor({ message }: Misuse, command: string | undefined): string {
  const suggestion = /\(Did you mean (.+)\?\)/.exec(message)?.[1];
  const meant = whatIsMeant(/unknown command '([^']*)'/.exec(message)?.[1] ?? '');
  if (meant) return meant;
  if (suggestion) return `did you mean ${suggestion}?`;
  return command === undefined
    ? 'opencode-reap --help lists commands and options'
    : `opencode-reap ${command} --help lists its options`;
}

/** What other programs call what a command does. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  kill: 'stop',
  end: 'stop',
  ps: 'list',
  ls: 'list',
  status: 'list',
  logs: 'log',
  explain: 'why',
};

/** The hint for what is no command; undefined if it looks like nothing that is known here. */
function whatIsMeant(word: string): string | undefined {
  const number = /^:?(\d{1,7})$/.exec(word)?.[1];
  // What cannot be a port is a pid.
  const name = number !== undefined && Number(number) < 65_536 ? `:${number}` : number;
  if (name !== undefined) return `opencode-reap stop ${name} ends that server, opencode-reap list shows every one`;
  const command = Object.hasOwn(ELSEWHERE, word) ? ELSEWHERE[word] : undefined;
  const server = command === 'stop' || command === 'why' ? ' :4096' : '';
  return command && `did you mean opencode-reap ${command}${server}?`;
}

/**
 * Whether the folders that were named are there. A name that is mistyped would otherwise look like a folder in which
 * nothing is recorded. Those that the environment names may be made later; so may all that a hook names, and the one
 * that is to have a first record. A mark in a folder where nobody looks would keep nothing.
 */
export async function missingFolder(
  command: string,
  named: { readonly stateDir?: string; readonly workspace?: string },
): Promise<string | undefined> {
  const given = [
    ['--state-dir', RECORDING.includes(command) ? undefined : named.stateDir],
    ['--workspace', named.workspace],
  ] as const;
  if (given.every(([, folder]) => folder === undefined)) return undefined;
  const { placeAt } = await import('../observe/directories.js');
  const missing = given.find(([, folder]) => {
    const place = folder === undefined ? undefined : placeAt(folder);
    // A file system that does not answer is not one on which nothing is.
    return place !== undefined && !place.isDirectory && place.silent.length === 0;
  });
  return missing && `${missing[0]} names ${missing[1] || 'nothing'}, which is not a folder that can be seen`;
}

const RECORDING: readonly string[] = ['start', 'adopt'];
