import { readFileSync } from 'node:fs';

/*
 * The manual page, made of the program's own commands and options, and of what its help says beside them. Roff of the
 * `man` macros, which every `man` understands. It has no date: two builds of the same sources are the same to the byte.
 */

const escaped = (text) =>
  String(text).replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('’', '\\(cq').replaceAll('…', '...');

/** Text in which nothing is an instruction to the formatter, in lines that everybody's tools accept. */
function plain(text) {
  const lines = [''];
  for (const word of escaped(text).split(' ')) {
    const line = lines.at(-1);
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + word.length < 79) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => line.replace(/^(?=[.'])/, '\\&')).join('\n');
}

/** As the one argument of a macro. */
const quoted = (text) => `"${escaped(text).replaceAll('"', '\\(dq')}"`;

const bold = (text) => `\\fB${escaped(text)}\\fR`;

const entry = (term, ...lines) => ['.TP', bold(term), ...lines.map(plain)];

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

const optionsOf = (command) => {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .filter(({ long }) => command.parent === null || long !== '--help')
    .flatMap((option) => entry(option.flags, sentence(help.optionDescription(option))));
};

const argumentsOf = (command) => {
  const help = command.createHelp();
  return help.visibleArguments(command).flatMap((one) => entry(one.name(), sentence(help.argumentDescription(one))));
};

const examplesOf = (examples) => examples.flatMap(([line, purpose]) => entry(line, sentence(purpose)));

function sectionOf(command, { EXAMPLES }) {
  const help = command.createHelp();
  const examples = EXAMPLES[command.name()] ?? [];
  return [
    `.SS ${quoted(help.commandUsage(command).replace('[options] ', ''))}`,
    plain(sentence(command.description())),
    ...argumentsOf(command),
    ...optionsOf(command),
    ...(examples.length === 0 ? [] : ['.PP', 'Examples:', ...examplesOf(examples)]),
  ];
}

export function manPage(program, help) {
  const commands = program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help');
  const { version, homepage } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return [
    `.TH OPENCODE\\-REAP 1 "" "opencode\\-reap ${escaped(version)}" "User Commands"`,
    '.SH NAME',
    plain(`opencode-reap - ${program.description().replace(/^E/, 'e').replace(/\.$/, '')}`),
    '.SH SYNOPSIS',
    `${bold('opencode-reap')} [\\fIoptions\\fR]`,
    '.br',
    `${bold('opencode-reap')} \\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]`,
    '.SH DESCRIPTION',
    plain(program.description()),
    plain('Without a command, it stops the stale servers of this workspace, and of folders in it.'),
    plain('A server is named by its id, its pid or its port.'),
    plain('Durations are written as 500ms, 30s, 5m, 2h or 1d.'),
    '.SH OPTIONS',
    ...optionsOf(program),
    '.SH COMMANDS',
    ...commands.flatMap((command) => sectionOf(command, help)),
    '.SH EXIT STATUS',
    ...help.EXIT_CODES.flatMap(([code, meaning]) => entry(code, sentence(meaning))),
    '.SH ENVIRONMENT',
    ...help.ENVIRONMENT.flatMap(([name, meaning]) => entry(name, sentence(meaning))),
    '.SH EXAMPLES',
    ...examplesOf(help.EXAMPLES['']),
    ...(homepage ? ['.SH SEE ALSO', plain(homepage)] : []),
    '',
  ].join('\n');
}
