import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { DEFAULTS } from '../common/defaults.js';
import { parseDuration } from '../common/duration.js';
import { VERSION } from '../common/version.js';
import type { Grammar } from '../report/candidates.js';
import { SHELLS } from '../report/completion.js';
import { explain } from './explain.js';
import { helpEnd, quietMeans } from './help.js';
import { type Common, complain, printStack } from './output.js';
import { whenUnwritable, widthOf, write } from './streams.js';
import { hintFor, missingFolder, sentence } from './usage.js';

/** Runs the program and returns its exit code. Each command loads only what it needs. */
export async function run(argv: readonly string[]): Promise<number> {
  // It goes on, since it may be in the middle of a stop.
  let isUnwritten = false;
  whenUnwritable((code) => {
    isUnwritten = true;
    process.exitCode = 1;
    complain(`could not write the output: ${code}`, 'redirect it somewhere else');
  });
  const code = await parse(argv);
  return isUnwritten ? 1 : code;
}

async function parse(argv: readonly string[]): Promise<number> {
  // Set to an empty string counts as not set.
  for (const name of VARIABLES) if (process.env[name] === '') delete process.env[name];
  let code = 0;
  const program = outline((result) => {
    code = result;
  });
  const fail = (error: unknown): never => process.exit(unexpected(error, saysAll(program)));
  process.on('uncaughtException', fail);
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return unexpected(error, saysAll(program));
    if (error.exitCode === 0) return 0;
    const named = program.commands.find((command) => command.name() === program.args[0])?.name();
    // `help` of what is no command is the help of all to the parser.
    if (error.code === 'commander.help') program.args = program.args.slice(1);
    const isNone = ['commander.excessArguments', 'commander.help'].includes(error.code);
    const misuse = named === undefined && isNone ? unknownCommand(program) : error;
    complain(sentence(misuse), hintFor(misuse, named));
    return 2;
  }
}

/** Since the program can be called without a command, what is no command is one argument too many to the parser. */
function unknownCommand(program: Command): CommanderError {
  try {
    // It is not in the types. With it, the suggestion is made as it is for options.
    (program as Command & { unknownCommand: () => never }).unknownCommand();
    throw new Error('an unknown command was taken for a known one');
  } catch (error) {
    if (error instanceof CommanderError) return error;
    throw error;
  }
}

const VARIABLES = ['OPENCODE_REAP_OLDER_THAN', 'OPENCODE_REAP_GRACE', 'OPENCODE_REAP_RETIRE_AFTER'] as const;

const saysAll = (program: Command): boolean =>
  Boolean(process.env.OPENCODE_REAP_DEBUG) || [program, ...program.commands].some((one) => one.opts().verbose === true);

/** One sentence, plus the stack for those who want to fix it. */
function unexpected(error: unknown, withStack: boolean): number {
  const explained = explain(error);
  complain(explained.error, explained.hint);
  if (withStack && error instanceof Error) printStack(error);
  return 1;
}

type BackgroundOptions = Common & { readonly olderThan: number; readonly grace: number };

type Finish = (code: number) => void;

/** All commands and options. What a command does is loaded when it is called. */
export function describe(finish: Finish): Command {
  const program = outline(finish);
  describeAll(program);
  return program;
}

/** Commands whose options nobody has asked for yet: to describe all of them takes 2 ms, and one is called. */
const undescribed = new WeakMap<Command, () => unknown>();

function later(command: Command, describe: (command: Command) => unknown): void {
  undescribed.set(command, () => describe(command));
}

function describeNow(command: Command): void {
  undescribed.get(command)?.();
  undescribed.delete(command);
}

const describeAll = (program: Command): void => program.commands.forEach(describeNow);

/** What the program itself takes, and the names of its commands. Each is described when it is called or asked about. */
function outline(finish: Finish): Command {
  const program = common(new Command('opencode-reap'), 'json', 'quiet', 'verbose', 'color')
    .description('Ends the opencode servers that Claude Code plugins leave behind, and only those.')
    .version(VERSION)
    .enablePositionalOptions()
    .helpCommand(true)
    .allowExcessArguments(false)
    .configureOutput({
      outputError: () => undefined,
      writeErr: () => undefined,
      writeOut: (text) => write('stdout', text),
    })
    // In 60 columns, a description has 30 beside the longest option.
    .configureHelp({ minWidthToWrap: 20 })
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText('afterAll', ({ command }) => helpEnd(command.parent ? command.name() : '', widthOf('stdout')))
    .on('beforeAllHelp', () => describeAll(program))
    .hook('preSubcommand', (_, command) => describeNow(command))
    .hook('preAction', (_, command) => check(command))
    .option('-n, --dry-run', 'judge and report, change nothing')
    .option('-a, --all-stale', 'every workspace, not only this one')
    .addOption(olderThan())
    .addOption(grace())
    .addOption(new Option('--port <port>', 'only servers on this port').argParser(port))
    .option('--workspace <dir>', 'a workspace other than the current one')
    .addOption(
      new Option('--limit <n>', 'stop nothing if more servers than this are stale')
        .argParser(wholeNumber)
        .default(DEFAULTS.limit),
    )
    .option('--strays', 'also end processes that detached from a stopped server')
    .option('--exit-code', 'with --dry-run: exit 3 when something is stale')
    .action(async (options) => {
      // A run that stops what is stale has nothing to tell by it.
      if (options.exitCode && !options.dryRun) program.error('error: --exit-code needs --dry-run');
      finish(await (await import('./commands/reap.js')).reapCommand(options));
    });
  addLooking(program, finish);
  addActing(program, finish);
  addHooks(program, finish);
  addCompletion(program, finish);
  return program;
}

function addCompletion(program: Command, finish: Finish): void {
  later(program.command('completion'), (command) =>
    command
      .description('print a script with which a shell completes commands, options and servers')
      .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
      .action(async (shell) => finish((await import('./commands/completion.js')).completionCommand(shell))),
  );
  later(program.command('complete [words...]', { hidden: true }), (command) =>
    command
      .description('what the script of a shell asks')
      .requiredOption('--word <begun>', 'what has been typed of the next word')
      .action(async (words, { word }) => {
        const { completeCommand } = await import('./commands/complete.js');
        describeAll(program);
        finish(await completeCommand(words, word, grammar(program), commandsOf(program).map(grammar)));
      }),
  );
}

const commandsOf = (program: Command): readonly Command[] =>
  program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help');

const grammar = (command: Command): Grammar => ({
  name: command.parent ? command.name() : '',
  description: command.description(),
  options: command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      flags: [option.long, option.short].flatMap((flag) => flag ?? []),
      description: option.description,
      value: option.required
        ? { means: /<(.+)>/.exec(option.flags)?.[1] ?? '', choices: option.argChoices ?? [] }
        : undefined,
    })),
  values: command.registeredArguments.map((one) => ({
    means: one.name(),
    choices: one.argChoices ?? [],
    repeats: one.variadic,
  })),
});

function addLooking(program: Command, finish: Finish): void {
  later(program.command('list'), (command) =>
    common(command, 'json', 'verbose', 'color')
      .description('every known server with its verdict, one line each')
      .option('--all', 'also list servers that are not recorded')
      .option('--watch', 'look again every few seconds, until q or Ctrl-C')
      .addOption(olderThan('count younger servers as spared'))
      .action(async (_, command) => finish(await (await import('./commands/list.js')).listCommand(optionsOf(command)))),
  );
  later(program.command('pick'), (command) =>
    common(command, 'color')
      .description('choose from a list what to stop')
      .addOption(olderThan('count younger servers as spared'))
      .addOption(grace())
      .action(async (_, command) => finish(await (await import('./commands/pick.js')).pickCommand(optionsOf(command)))),
  );
  later(program.command('why <server>'), (command) =>
    common(command, 'json', 'color')
      .description('every guard with what was seen, and what would change the verdict (id, pid, port, URL or folder)')
      .addOption(olderThan('count younger servers as spared'))
      .action(async (server, _, command) =>
        finish(await (await import('./commands/why.js')).whyCommand(server, optionsOf(command))),
      ),
  );
  later(program.command('log [server]'), (command) =>
    common(command, 'json', 'color')
      .description('what was stopped or spared, when, by whom and why')
      .addOption(new Option('--since <duration>', 'only what happened within this time').argParser(duration))
      .option('--utc', 'times in UTC instead of local time')
      .addOption(new Option('-l, --lines <n>', 'how many lines').argParser(wholeNumber).default(50))
      .action(async (server, _, command) =>
        finish(await (await import('./commands/log.js')).logCommand(server, optionsOf(command))),
      ),
  );
}

function addActing(program: Command, finish: Finish): void {
  later(program.command('start [args...]'), (command) =>
    common(command, 'json', 'quiet')
      .description('start a server that can be reaped later (or reuse the one on the port) and print its URL')
      .addOption(
        new Option('--port <port>', 'the port to listen on, 0 for any').argParser(portOrZero).default(DEFAULTS.port),
      )
      .addOption(new Option('--hostname <address>', 'loopback address').argParser(loopback).default(DEFAULTS.hostname))
      .addOption(
        new Option('--ready-timeout <duration>', 'how long the server may take to answer')
          .argParser(duration)
          .default(DEFAULTS.readyTimeoutMs, '60s'),
      )
      .addOption(retireAfter())
      .addOption(
        new Option('--print-env', 'print shell lines to evaluate: its URL, and the password if it has one').conflicts(
          'json',
        ),
      )
      .action(async (args, _, command) =>
        finish(await (await import('./commands/start.js')).startCommand(args, optionsOf(command))),
      ),
  );
  later(program.command('stop <server...>'), (command) =>
    common(command, 'json', 'quiet')
      .description('end servers of yours, no matter what started them (id, pid, port, URL or folder)')
      .option('-n, --dry-run', 'say what would be stopped, change nothing')
      .option('-y, --yes', 'stop without asking, even what may be in use')
      .option('--strays', 'also end processes that detached from them')
      .option('-v, --verbose', 'say each stop as it happens, even without a terminal')
      .addOption(grace())
      .action(async (servers, _, command) =>
        finish(await (await import('./commands/stop.js')).stopCommand(servers, optionsOf(command))),
      ),
  );
  later(program.command('adopt <server...>'), (command) =>
    common(command, 'json', 'quiet')
      .description('allow running servers to be reaped from now on (pid, port, URL or folder)')
      .action(async (servers, _, command) =>
        finish(await (await import('./commands/marks.js')).adoptCommand(servers, optionsOf(command))),
      ),
  );
  later(program.command('keep <server...>'), (command) =>
    common(command, 'json', 'quiet')
      .description('never reap these servers automatically')
      .action(async (servers, _, command) =>
        finish(await (await import('./commands/marks.js')).keepCommand(servers, optionsOf(command))),
      ),
  );
  later(program.command('unkeep <server...>'), (command) =>
    common(command, 'json', 'quiet')
      .description('allow them to be reaped again')
      .action(async (servers, _, command) =>
        finish(await (await import('./commands/marks.js')).unkeepCommand(servers, optionsOf(command))),
      ),
  );
}

function addHooks(program: Command, finish: Finish): void {
  later(program.command('sweep', { hidden: true }), (command) =>
    common(command)
      .description('the background run that the hooks start')
      .addOption(olderThan())
      .addOption(grace())
      .action(async (_, command) =>
        finish(await (await import('./commands/background.js')).backgroundCommand(optionsOf(command))),
      ),
  );
  later(program.command('retire <id>', { hidden: true }), (command) =>
    common(command)
      .description('called by servers of an earlier version that have long been idle')
      .action(async (_id, _, command) =>
        finish(
          await (await import('./commands/retire.js')).retireCommand(
            optionsOf<Common>(command).stateDir,
            process.argv[1] ?? '',
          ),
        ),
      ),
  );
  later(program.command('watch <token>', { hidden: true }), (command) =>
    common(command)
      .description('one look of the watch')
      .option('--stay', 'keep looking')
      .addOption(olderThan())
      .addOption(grace())
      .action(async (token, _, command) => {
        const { stateDir, stay, olderThan, grace } = optionsOf<BackgroundOptions & { stay?: boolean }>(command);
        const policy = { olderThanMs: olderThan, graceMs: grace, limit: DEFAULTS.limit };
        const { watchCommand } = await import('./commands/watch.js');
        const looking = { ...policy, ...(stateDir === undefined ? {} : { stateDir }), stay: stay === true };
        finish(await watchCommand(token, looking, process.argv[1] ?? ''));
      }),
  );
  later(program.command('install'), (command) =>
    inSettings(command)
      .description('put the hooks into Claude Code’s settings')
      .addOption(new Option('--port <port>', 'the port that plugins use in these sessions').argParser(port))
      .action(async (_, command) =>
        finish(await (await import('./commands/install.js')).installCommand(optionsOf(command))),
      ),
  );
  later(program.command('uninstall'), (command) =>
    inSettings(command)
      .description('take the hooks out of Claude Code’s settings')
      .action(async (_, command) =>
        finish(await (await import('./commands/install.js')).uninstallCommand(optionsOf(command))),
      ),
  );
  later(program.command('doctor'), (command) =>
    common(command, 'json', 'quiet', 'color')
      .description('check that everything is in place, with hints where it is not')
      .action(async (_, command) =>
        finish(await (await import('./commands/doctor.js')).doctorCommand(optionsOf(command))),
      ),
  );
}

const inSettings = (command: Command): Command =>
  common(command, 'json', 'quiet')
    .option('-n, --dry-run', 'show what would change, change nothing')
    .option('--workspace <dir>', 'the project, if not the current one')
    .addOption(
      new Option('--scope <scope>', 'which settings to change').choices(['user', 'project', 'local']).default('user'),
    );

/** A command's own options, and those given before its name: `opencode-reap --state-dir x list`. */
function optionsOf<T>(command: Command): T {
  const above = Object.entries(command.parent?.opts() ?? {});
  const said = above.filter(([name]) => command.parent?.getOptionValueSource(name) === 'cli');
  // What was given on the command line, in either place, takes precedence over the environment.
  const own = Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === 'cli');
  return { ...command.opts(), ...Object.fromEntries(said), ...Object.fromEntries(own) } as T;
}

/** An option that is ignored may have been meant to hold a command back: `opencode-reap --dry-run stop 4096`. */
async function check(command: Command): Promise<void> {
  const { parent } = command;
  const takes = new Set(command.options.map((option) => option.attributeName()));
  const ignored = parent?.options.find((option) => {
    const name = option.attributeName();
    return parent.getOptionValueSource(name) === 'cli' && !takes.has(name);
  });
  if (ignored) command.error(`error: '${command.name()}' does not take ${ignored.long}`);
  if (HIDDEN.includes(command.name())) return;
  const missing = await missingFolder(command.name(), optionsOf(command));
  if (missing) command.error(`error: ${missing}`);
}

/** Called by hooks, by the watch and by shells, some of which an earlier version has installed. */
const HIDDEN: readonly string[] = ['sweep', 'retire', 'watch', 'complete'];

type Shared = 'json' | 'quiet' | 'verbose' | 'color';

/** The options that mean the same to every command that takes them. Each takes those that change what it does. */
function common(command: Command, ...shared: readonly Shared[]): Command {
  command.option('--state-dir <dir>', 'where records are kept, instead of $OPENCODE_REAP_STATE_DIR');
  if (shared.includes('json')) command.option('--json', 'print JSON, errors too');
  if (shared.includes('quiet')) command.option('-q, --quiet', quietMeans(command.name()));
  if (shared.includes('verbose')) command.option('-v, --verbose', 'print every guard of every server');
  if (shared.includes('color'))
    command.option('--color', 'colors even without a terminal').option('--no-color', 'no colors');
  return command;
}

const olderThan = (means = 'stop only servers at least this old'): Option =>
  new Option('--older-than <duration>', means)
    .env('OPENCODE_REAP_OLDER_THAN')
    .argParser(duration)
    .default(DEFAULTS.olderThanMs, '5m');

const grace = (): Option =>
  new Option('--grace <duration>', 'time between SIGTERM and SIGKILL')
    .env('OPENCODE_REAP_GRACE')
    .argParser(duration)
    .default(DEFAULTS.graceMs, '5s');

const retireAfter = (): Option =>
  new Option('--retire-after <duration>', 'the watch stops it after this long without use, 0 for never')
    .env('OPENCODE_REAP_RETIRE_AFTER')
    .argParser(duration)
    .default(DEFAULTS.retireAfterMs, '30m');

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('durations look like 500ms, 30s, 5m, 2h or 1d');
  return ms;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('it must be a whole number');
  return Number(text);
}

function portOrZero(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number < 65_536)) throw new InvalidArgumentError('ports are whole numbers below 65536');
  return number;
}

function port(text: string): number {
  const number = portOrZero(text);
  if (number === 0) throw new InvalidArgumentError('ports are whole numbers from 1 to 65535');
  return number;
}

function loopback(text: string): string {
  if (!/^127(\.\d{1,3}){3}$/.test(text))
    throw new InvalidArgumentError('only 127.x.x.x addresses stay on this machine');
  return text;
}
