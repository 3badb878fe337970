// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the shells'.

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/** Stands for the folders that the shell itself can list. */
export const FOLDERS = ':folders';

/**
 * A script with which a shell completes. It knows nothing but how to ask: `opencode-reap complete --word=BEGUN -- WORDS`
 * prints a candidate on each line, then a tab and what it is. The words that are asked about are not evaluated, and what
 * is printed is taken as text.
 */
export const completion = (shell: Shell): readonly string[] => SCRIPTS[shell];

/** What is listed has descriptions; what is inserted must not. Written for bash 3.2, which macOS has. */
const BASH = [
  '# in ~/.bashrc: source <(opencode-reap completion bash)',
  '_opencode_reap() {',
  '  local begun="${COMP_WORDS[COMP_CWORD]}" word what',
  '  local -a asked=() words=() listed=()',
  '  # bash takes `--port=4` for three words.',
  '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [ "$word" = "=" ] || asked+=("$word"); done',
  '  [ "$begun" = "=" ] && begun=""',
  "  while IFS=$'\\t' read -r word what; do",
  `    if [ "$word" = "${FOLDERS}" ]; then`,
  '      compopt -o filenames 2>/dev/null',
  "      local IFS=$'\\n'",
  '      COMPREPLY=($(compgen -d -- "$begun"))',
  '      return',
  '    fi',
  '    words+=("$word")',
  '    listed+=("$word${what:+  ($what)}")',
  '  done < <(opencode-reap complete "--word=$begun" -- "${asked[@]}" 2>/dev/null)',
  '  COMPREPLY=("${words[@]}")',
  '  # 63 and 33: a list is asked for, in which each has a line.',
  '  if [ "${#words[@]}" -gt 1 ] && { [ "$COMP_TYPE" = 63 ] || [ "$COMP_TYPE" = 33 ]; }; then',
  '    COMPREPLY=()',
  '    for word in "${listed[@]}"; do COMPREPLY+=("$(printf "%-$((COLUMNS - 2))s" "${word:0:$((COLUMNS - 2))}")"); done',
  '  fi',
  '}',
  'complete -o nosort -F _opencode_reap opencode-reap 2>/dev/null || complete -F _opencode_reap opencode-reap',
];

const ZSH = [
  '#compdef opencode-reap',
  '# in ~/.zshrc, after compinit: source <(opencode-reap completion zsh)',
  '_opencode_reap() {',
  '  local word what',
  '  local -a found listed',
  "  while IFS=$'\\t' read -r word what; do",
  `    if [[ $word == ${FOLDERS} ]]; then`,
  "      compset -P '--*='",
  '      _files -/',
  '      return',
  '    fi',
  '    found+=("$word")',
  '    listed+=("$word${what:+  -- $what}")',
  '  done < <(opencode-reap complete "--word=$PREFIX" -- "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)',
  '  (( $#found )) && compadd -l -d listed -a found',
  '}',
  'if [[ $funcstack[1] == _opencode_reap ]]; then _opencode_reap "$@"; else compdef _opencode_reap opencode-reap; fi',
];

const FISH = [
  '# opencode-reap completion fish > ~/.config/fish/completions/opencode-reap.fish',
  'function __opencode_reap',
  '    set -l words (commandline -opc)',
  '    set -e words[1]',
  '    set -l begun (commandline -ct)',
  '    set -l found (opencode-reap complete "--word=$begun" -- $words 2>/dev/null)',
  `    if test "$found[1]" = ${FOLDERS}`,
  "        set -l flag (string match -r -- '^--[^=]*=' $begun)",
  "        for folder in (__fish_complete_directories (string replace -r -- '^--[^=]*=' '' $begun) '')",
  '            echo "$flag$folder"',
  '        end',
  '    else',
  '        test -n "$found"; and printf \'%s\\n\' $found',
  '    end',
  'end',
  "complete -c opencode-reap -f -a '(__opencode_reap)'",
];

const POWERSHELL = [
  '# in $PROFILE: opencode-reap completion powershell | Out-String | Invoke-Expression',
  'Register-ArgumentCompleter -Native -CommandName opencode-reap -ScriptBlock {',
  '  param($begun, $line, $cursor)',
  '  $words = @($line.CommandElements | Select-Object -Skip 1 |',
  '    Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { "$_" })',
  '  opencode-reap complete "--word=$begun" \'--\' @words 2>$null | ForEach-Object {',
  '    $word, $what = $_ -split "`t", 2',
  `    if ($word -eq '${FOLDERS}') {`,
  '      [System.Management.Automation.CompletionCompleters]::CompleteFilename($begun) |',
  "        Where-Object { $_.ResultType -eq 'ProviderContainer' }",
  '    } else {',
  '      $tip = if ($what) { $what } else { $word }',
  "      [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $tip)",
  '    }',
  '  }',
  '}',
];

const SCRIPTS: Readonly<Record<Shell, readonly string[]>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
};
