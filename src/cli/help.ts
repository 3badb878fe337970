import { wrap } from '../report/columns.js';

/*
 * What help and the manual page say beside commands and options. The page is made of the same program (build/man.mjs);
 * it is here what it is, so that neither can say what the other does not.
 */

/** A command line and what it is for. */
type Example = readonly [line: string, purpose: string];

/** By the command's name; the empty one is the program without a command. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  '': [
    ['opencode-reap --dry-run', 'what would be stopped in this workspace, and why'],
    ['opencode-reap', 'stop it'],
    ['opencode-reap --all-stale --older-than 1h', 'stop what is stale anywhere and an hour old'],
    ['opencode-reap -n --exit-code -q; test $? = 3 && echo stale', 'for a script'],
  ],
  list: [
    ['opencode-reap list --all', 'with the servers that nothing was written down about'],
    ['opencode-reap list --watch', 'the same, again every five seconds, until q'],
    ['opencode-reap list --json', 'for a script'],
  ],
  pick: [['opencode-reap pick', 'arrows, space and enter; / filters, w shows why, q leaves']],
  why: [['opencode-reap why 4096', 'what is known about the server on port 4096']],
  log: [
    ['opencode-reap log --lines 5', 'the last five things that were done or left alone'],
    ['opencode-reap log 4096 --since 2d', 'what became of the servers on port 4096'],
  ],
  start: [
    ['opencode-reap start --port 0', 'on any free port but 4096; prints its URL'],
    ['opencode-reap start --retire-after 2h -- --print-logs', 'what follows -- is for opencode serve'],
  ],
  stop: [
    ['opencode-reap stop 4096', 'asks first if it may be in use'],
    ['opencode-reap stop 4096 ~/code/shop --yes', 'two of them, without asking'],
    ['opencode-reap stop :4096 --dry-run', 'what would be stopped, and whether it is in use'],
  ],
  adopt: [['opencode-reap adopt 4096', 'from now on it may be reaped']],
  keep: [['opencode-reap keep 4096', 'whatever becomes of the session that uses it']],
  unkeep: [['opencode-reap unkeep 4096', 'undoes keep']],
  install: [
    ['opencode-reap install --dry-run', 'shows the change to the settings'],
    ['opencode-reap install --scope local', 'in this project, for you alone'],
  ],
  uninstall: [['opencode-reap uninstall', 'the settings are as they were before']],
  doctor: [['opencode-reap doctor --quiet', 'prints only what is broken']],
  completion: [
    ['source <(opencode-reap completion bash)', 'in ~/.bashrc'],
    ['source <(opencode-reap completion zsh)', 'in ~/.zshrc, after compinit'],
    ['opencode-reap completion fish | source', 'in ~/.config/fish/config.fish'],
    ['opencode-reap completion powershell | Out-String | Invoke-Expression', 'in $PROFILE'],
  ],
};

export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'a stale server outlived the run, or something could not be done or read'],
  [2, 'wrong usage'],
  [3, 'something is stale (--dry-run --exit-code)'],
  [4, 'no server has that name'],
  [130, 'interrupted by Ctrl-C; by another signal, 128 and its number'],
];

/** What no option shows. */
export const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['OPENCODE_REAP_STATE_DIR', 'where records are kept, an absolute path; ~/.local/state/opencode-reap by default'],
  ['OPENCODE_REAP_OLDER_THAN', 'the default of --older-than'],
  ['OPENCODE_REAP_GRACE', 'the default of --grace'],
  ['OPENCODE_REAP_RETIRE_AFTER', 'the default of --retire-after'],
  ['OPENCODE_REAP_NOTICE', 'if off, no session begins with what was done since the last one'],
  ['OPENCODE_REAP_DEBUG', 'if set, an unexpected error comes with its stack'],
  ['OPENCODE_REAP=keep', 'in the environment of a server: it is never reaped automatically'],
  ['NO_COLOR', 'if set, no colors'],
];

/** What `--quiet` leaves, by the command's name; to those that are not here, errors alone. */
const QUIET: Readonly<Record<string, string>> = {
  'opencode-reap': 'print only what was stopped, and errors',
  stop: 'print only what was stopped, and errors',
  start: 'print only its URL, and errors',
  doctor: 'print only what is broken',
};

export const quietMeans = (command: string): string => QUIET[command] ?? 'print only errors';

/** The end of what `--help` prints for a command. An example stays on one line, so that it can be copied. */
export function helpEnd(command: string, width: number | undefined): string {
  const examples = EXAMPLES[command] ?? [];
  const beside = (head: string, is: string): string[] =>
    wrap(is, width === undefined ? undefined : width - head.length, '').map(
      (line, at) => `${at === 0 ? head : ' '.repeat(head.length)}${line}`,
    );
  const blocks = [
    ...(examples.length === 0
      ? []
      : [['Examples:', ...examples.flatMap(([line, is]) => [`  ${line}`, ...beside('      ', is)])]]),
    ...(command === ''
      ? [['Exit codes:', ...EXIT_CODES.flatMap(([code, is]) => beside(`  ${String(code).padEnd(3)}  `, is))]]
      : []),
  ];
  return blocks.map((lines) => `\n${lines.join('\n')}`).join('\n');
}
