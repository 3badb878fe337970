/**
 * What an argv is. `serve` is a server, `opencode` another OpenCode command (a TUI may listen on 4096 too), `other`
 * anything else. It can veto; it never proves that a process is ours.
 */
export type CommandLine =
  | {
      readonly kind: 'serve';
      readonly port: number | undefined;
      /** OpenCode 2: `service` is the user's shared daemon, `stdio` belongs to whoever holds its standard input. */
      readonly sharedDaemon: 'service' | 'stdio' | undefined;
      /** Run by an interpreter or a shell, so it may be only a launcher. */
      readonly interpreted: boolean;
    }
  | { readonly kind: 'opencode' }
  | { readonly kind: 'other' };

/**
 * `.opencode` is the native binary that 1.14's node script starts, `opencode.exe` the one from 1.15.4 on, on Linux too.
 * Nix calls what it wraps `.opencode-wrapped`, once more for each wrapper; copies name their version or their platform.
 */
const PROGRAM =
  /^\.*opencode2?([-._](un)?wrapped|[-._](real|bin|orig|old|native|latest|stable|next|linux|darwin|windows|win32|musl|baseline|x64|arm64))*_*([-@]v?\d[\w.+-]*)?(\.(exe|cmd|bat|ps1|[cm]?[jt]s))?$/i;
/** A package manager is told the package, and says its version with it. */
const PACKAGE = /^(npm:\/?)?opencode(-ai)?(@[^/]+)?(\/opencode)?$/i;
/** Where a package of OpenCode's has its first file. Somebody's own project may be called `opencode` as well. */
const ENTRY =
  /[\\/](((node_modules|lib|libexec|share|opt|packages)[\\/]|store[\\/]\w+-)opencode(-ai)?(-v?\d[\w.]*)?)([\\/](dist|src|bin|build))*[\\/](index|cli|main)\.[cm]?[jt]sx?$/i;
/** With the name of OpenCode in front of it, a script is OpenCode's in any folder of that name. */
const isOwnScript = (word: string): boolean =>
  isPath(word) && /^([a-z]:)?[\\/]/i.test(word) && /opencode[^\\/]*[\\/]/i.test(word) && /\.[cm]?[jt]sx?$/i.test(word);
/** No path is longer. A prompt may be, and is nothing to look through. */
const isPath = (word: string): boolean => word.length <= 4096;
const SHELL = /^(sh|bash|dash|zsh|ksh|ash|env|cmd)(\.exe)?$/i;
const RUNTIME = /^(node(js)?[-\d.]*|bun|deno|tsx|ts-node)(\.exe)?$/i;
/** What runs a program of another processor or another C library, and may name it twice: its file, and what it is called. */
const LOADER = /^(ld(-linux|-musl)?[-.\w]*\.so[.\d]*|qemu-(?!system|img|io|nbd|ga)[\w-]+|box(64|86)|fex\w*|rosetta)$/i;
const FETCHES = /^(npx|bunx|pnpx)(-cli)?(\.[cm]?js|\.cmd|\.exe)?$/i;
const MANAGES = /^(npm|pnpm|yarn|yarnpkg|bun)(-cli)?(\.[cm]?js|\.cmd|\.exe)?$/i;
const FETCHES_BY = /^(exec|x|dlx)$/;
// The options before the command that take a value of their own.
const WITH_VALUE = new Set('--log-level --port --hostname --model -m --session -s --prompt --agent'.split(' '));
/** The same of what runs it: a runtime or a package manager, a loader, a shell. */
const RUNTIMES_WITH_VALUE =
  /^(-[rCFdlpw]|--(requir[e]|import|(experimental-)?loader|conditions|env-file(-if-exists)?|title|cwd|preload|config|tsconfig(-override)?|import-map|filter|define|package|workspace|dir|prefix|registry|cache|userconfig))$/;
const LOADERS_WITH_VALUE = /^(-[LEU0]|--(library-path|argv0|preload|audit)|-cpu)$/;
const SHELLS_WITH_VALUE = /^([-+][oO]|--(rc|init-)file)$/;
/** Then what follows is not run, or is a text that is. */
const EVALUATES = /^(-e|-p|-pe|--eval|--print|--test|-c|--check|--call)(=|$)/;

/** Whether a file of that name is OpenCode. The short question first: of two hundred names, the long one takes 2 ms. */
export const isOpencode = (name: string): boolean => /opencode/i.test(name) && PROGRAM.test(name);

/** How the name of each of those begins, to say no to most names by one question in place of five. */
const BEGINS =
  /^(node|bun|deno|tsx|ts-node|ld|qemu|box|fex|rosetta|npx|pnpx|npm|pnpm|yarn|sh|bash|dash|zsh|ksh|ash|env|cmd)/i;

/** Whether a program of that name runs a program named in its arguments. */
export const isRunner = (name: string): boolean =>
  BEGINS.test(name) && [RUNTIME, LOADER, FETCHES, MANAGES, SHELL].some((kind) => kind.test(name));

export const isShell = (name: string): boolean => SHELL.test(name);

/** What is known of the file that a process executes says what it is where its first argument says something else. */
export function classify(argv: readonly string[], executable?: string): CommandLine {
  const found = programIn(argv, executable);
  if (found === undefined) return { kind: 'other' };
  const at = firstPlainWord(found.rest);
  if (at === undefined || found.rest[at] !== 'serve') return { kind: 'opencode' };
  const args = found.rest.slice(at + 1);
  const sharedDaemon = (['service', 'stdio'] as const).find((mode) =>
    args.some((arg) => arg === `--${mode}` || arg.startsWith(`--${mode}=`)),
  );
  return { kind: 'serve', port: portOf(args), sharedDaemon, interpreted: found.interpreted };
}

/** The opencode program in a command line: what follows it, and whether something else runs it. */
interface Found {
  readonly rest: readonly string[];
  readonly interpreted: boolean;
}

function programIn([program, ...rest]: readonly string[], executable: string | undefined): Found | undefined {
  if (program === undefined) return undefined;
  const isNative = isOpencode(baseName((executable ?? '').replace(/ \(deleted\)$/, '')));
  if (isOpencode(baseName(program))) {
    // Nix runs OpenCode's script with a Bun that it calls `opencode`; to the real one that is the text of a prompt.
    const after = isNative ? undefined : afterScript(rest, isOwnScript);
    return { rest: after ?? rest, interpreted: after !== undefined };
  }
  const after = isNative ? undefined : afterRunner(program, rest);
  if (after) return { rest: after, interpreted: true };
  return isNative ? { rest, interpreted: false } : undefined;
}

/** What follows the opencode program where something else runs it: `node …/opencode serve`, `sh -c 'opencode serve'`. */
function afterRunner(program: string, rest: readonly string[]): readonly string[] | undefined {
  const name = baseName(program);
  if (isOpencode(name)) return rest;
  // npm calls itself by what it was told, in one word.
  if (/^npm (exec|x) /.test(program)) return afterRunner('npm', program.split(' ').slice(1));
  if (SHELL.test(name)) return afterShell(rest);
  if (LOADER.test(name)) return afterLoader(rest);
  if (FETCHES.test(name)) return afterPackage(rest);
  const command = MANAGES.test(name) ? rest.findIndex(isWordOf(rest, RUNTIMES_WITH_VALUE)) : -1;
  if (FETCHES_BY.test(rest[command] ?? '')) return afterPackage(rest.slice(command + 1));
  return RUNTIME.test(name) ? afterRuntime(rest) : undefined;
}

/** Also of a package manager, which is a script itself. */
function afterRuntime(rest: readonly string[]): readonly string[] | undefined {
  const at = scriptAt(rest);
  const script = at === undefined ? undefined : rest[at];
  if (at === undefined || script === undefined) return undefined;
  const after = rest.slice(at + 1);
  const name = baseName(script);
  if (isOpencode(name) || PACKAGE.test(script) || PACKAGE.test(name) || (isPath(script) && ENTRY.test(script)))
    return after;
  return FETCHES.test(name) || MANAGES.test(name) ? afterRunner(script, after) : undefined;
}

function afterLoader(rest: readonly string[]): readonly string[] | undefined {
  const at = rest.findIndex(isWordOf(rest, LOADERS_WITH_VALUE));
  const [program, called = '', ...after] = at < 0 ? [] : rest.slice(at);
  if (program === undefined) return undefined;
  const isTwice = baseName(called) === baseName(program);
  return afterRunner(program, isTwice ? after : rest.slice(at + 1));
}

/** Whether a word is neither an option nor an option's value. */
const isWordOf =
  (args: readonly string[], withValue: RegExp) =>
  (arg: string, i: number): boolean =>
    !arg.startsWith('-') && !withValue.test(args[i - 1] ?? '');

function afterPackage(rest: readonly string[]): readonly string[] | undefined {
  return afterScript(rest, (word) => PACKAGE.test(word) || isOpencode(baseName(word)));
}

function afterScript(rest: readonly string[], isIt: (word: string) => boolean): readonly string[] | undefined {
  const at = scriptAt(rest);
  return at !== undefined && isIt(rest[at] ?? '') ? rest.slice(at + 1) : undefined;
}

/** The first word that is neither an option, nor an option's value, nor `run`. */
function scriptAt(args: readonly string[]): number | undefined {
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (EVALUATES.test(arg) && !(arg === '-p' && PACKAGE.test(args[i + 1] ?? ''))) return undefined;
    if (RUNTIMES_WITH_VALUE.test(arg)) i += 1;
    else if (!arg.startsWith('-') && !/^(run|x|\d+)$/.test(arg)) return i;
  }
  return undefined;
}

/** A line that runs more than the server is a shell's, and the server is one of the things below it. */
function afterShell(rest: readonly string[]): readonly string[] | undefined {
  const script = rest.findIndex(
    (arg, i) => !/^[-/][^/]*$/.test(arg) && !/^[A-Z_]\w*=/i.test(arg) && !SHELLS_WITH_VALUE.test(rest[i - 1] ?? ''),
  );
  const found = rest[script];
  if (found === undefined) return undefined;
  const option = rest.slice(0, script).findLast((arg) => arg !== '--') ?? '';
  const isLine = /^(-c|\/c)$/i.test(option);
  if (!isLine) return isOpencode(baseName(found)) ? rest.slice(script + 1) : undefined;
  // npm writes `'opencode' serve`. Most lines run something else and may be long, so that the rest is looked at last.
  const plain = /^\s*(\S*)/.exec(found)?.[1]?.replace(/^(['"])(.*)\1$/, '$2') ?? '';
  if (!isOpencode(baseName(plain))) return undefined;
  // What follows the line of `sh -c` is its parameters; `cmd.exe /c` runs everything that follows.
  if (runsMore(option.startsWith('/') ? rest.slice(script).join(' ') : found)) return undefined;
  const [, ...inner] = found.trim().split(/\s+/);
  return [...inner, ...rest.slice(script + 1)];
}

// A server's own output may be redirected anywhere (`> log 2>&1`), but not into another command, as by `> >(tee log)`.
const DUPLICATED = /(?<!\d)\d*[<>]&[\d-]+/g;
const RUNS_MORE = /[;&|\r\n(){}`]/;

/** Whether a line is more than one simple command. Quotes are not parsed: in doubt it is. */
const runsMore = (line: string): boolean => RUNS_MORE.test(line.trim().replace(DUPLICATED, ' '));

function firstPlainWord(args: readonly string[]): number | undefined {
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-')) return i;
    if (WITH_VALUE.has(arg)) i += 1;
  }
  return undefined;
}

function portOf(args: readonly string[]): number | undefined {
  const at = args.findIndex((arg) => /^--port(=|$)/.test(arg));
  const text = args[at]?.includes('=') ? args[at]?.slice('--port='.length) : args[at + 1];
  const port = at < 0 || !/^\d{1,5}$/.test(text ?? '') ? 0 : Number(text);
  return port > 0 && port < 65_536 ? port : undefined;
}

const baseName = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
