/** A command and its options; the empty name is the program without a command. */
export interface Completed {
  readonly name: string;
  readonly description: string;
  readonly options: readonly string[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script that lets a shell complete commands and options. All names are ours, so none needs quoting. */
export function completion(shell: Shell, all: readonly Completed[]): string[] {
  const commands = all.filter(({ name }) => name !== '');
  const top = [...commands.map(({ name }) => name), ...(all.find(({ name }) => name === '')?.options ?? [])];
  return { bash, zsh, fish }[shell](commands, top);
}

const bash: Script = (commands, top) => [
  '# in ~/.bashrc: source <(opencode-reap completion bash)',
  '_opencode_reap() {',
  '  local words',
  `  case "$COMP_CWORD:\${COMP_WORDS[1]}" in`,
  `    1:*) words='${top.join(' ')}' ;;`,
  ...commands.map(({ name, options }) => `    *:${name}) words='${options.join(' ')}' ;;`),
  `    *) words='${top.join(' ')}' ;;`,
  '  esac',
  `  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))`,
  '}',
  'complete -F _opencode_reap opencode-reap',
];

const zsh: Script = (commands, top) => [
  '#compdef opencode-reap',
  '# in ~/.zshrc, after compinit: source <(opencode-reap completion zsh)',
  '_opencode_reap() {',
  `  case "$CURRENT:\${words[2]}" in`,
  `    2:*) compadd -- ${top.join(' ')} ;;`,
  ...commands.map(({ name, options }) => `    *:${name}) compadd -- ${options.join(' ')} ;;`),
  `    *) compadd -- ${top.join(' ')} ;;`,
  '  esac',
  '}',
  'compdef _opencode_reap opencode-reap',
];

const fish: Script = (commands, top) => [
  '# opencode-reap completion fish > ~/.config/fish/completions/opencode-reap.fish',
  'complete -c opencode-reap -f',
  ...commands.map(
    ({ name, description }) =>
      `complete -c opencode-reap -n __fish_use_subcommand -a ${name} -d '${description.replaceAll("'", '’')}'`,
  ),
  `complete -c opencode-reap -n __fish_use_subcommand -a '${top.filter((word) => word.startsWith('-')).join(' ')}'`,
  ...commands.map(
    ({ name, options }) =>
      `complete -c opencode-reap -n '__fish_seen_subcommand_from ${name}' -a '${options.join(' ')}'`,
  ),
];

type Script = (commands: readonly Completed[], top: readonly string[]) => string[];
